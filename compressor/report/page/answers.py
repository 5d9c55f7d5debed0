"""What engine and teacher answered on the evaluation split, for people: per class, confusion, where they differ."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.export import EvaluationData
from compressor.records.task import TaskSpec

EXAMPLES = 12


@dataclass(frozen=True)
class ClassRow:
    """One class: rows that are of it, and the share that is answered rightly by each, in percent."""

    label: str
    rows: int
    teacher: float
    engine: float


@dataclass(frozen=True)
class Example:
    """A row on which the two differ."""

    text: str
    target: str
    teacher: str
    engine: str


@dataclass(frozen=True)
class Answers:
    """Of a task with classes.

    Attributes:
        labels: Names of the classes.
        confusion: Rows of a class that the engine takes for another, [classes, classes], target first.
        classes: One per class.
        examples: The surest of both sides first, at most `EXAMPLES`.
        differing: Rows on which they differ.
        rows: Rows in all.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassRow, ...]
    examples: tuple[Example, ...]
    differing: int
    rows: int


def read_answers(data: EvaluationData, task: TaskSpec, tokenizer: Path) -> Answers | None:
    """The answers in a bundle; None where they are scores, or one per token.

    Args:
        data: Of the bundle.
        task: Names the labels.
        tokenizer: `tokenizer.json`, which turns tokens into text again.
    """
    if data.targets.offsets is not None or data.engine.shape[-1] < 2:
        return None
    targets, engine, teacher = data.targets.values.astype(int), data.engine.argmax(-1), data.teacher.argmax(-1)
    labels = task.label_names or tuple(map(str, range(data.engine.shape[-1])))
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (targets, engine), 1)
    differ = np.flatnonzero(engine != teacher)
    surest = differ[np.argsort(-_certainty(data, differ))][:EXAMPLES]
    texts = _texts(data, surest, tokenizer)
    return Answers(
        labels=labels,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        classes=tuple(_class_row(labels[i], targets == i, teacher == i, engine == i) for i in range(len(labels))),
        examples=tuple(
            Example(text, labels[targets[row]], labels[teacher[row]], labels[engine[row]])
            for text, row in zip(texts, surest, strict=True)
        ),
        differing=len(differ),
        rows=len(targets),
    )


def _class_row(label: str, rows: NDArray[np.bool_], teacher: NDArray[np.bool_], engine: NDArray[np.bool_]) -> ClassRow:
    count = int(rows.sum())
    right = [100 * float((rows & found).sum()) / max(1, count) for found in (teacher, engine)]
    return ClassRow(label, count, *right)


def _certainty(data: EvaluationData, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The smaller of both models' margins between their first and second class, [rows]."""
    margins = []
    for outputs in (data.teacher[rows], data.engine[rows]):
        ordered = np.sort(outputs, axis=-1)
        margins.append(ordered[:, -1] - ordered[:, -2])
    return np.asarray(np.minimum(*margins), dtype=np.float64)


def _texts(data: EvaluationData, rows: NDArray[np.int64], tokenizer: Path) -> list[str]:
    from tokenizers import Tokenizer

    decoder, offsets = Tokenizer.from_file(str(tokenizer)), data.tokens.offsets
    return [decoder.decode(data.tokens.ids[offsets[row] : offsets[row + 1]].tolist()) for row in rows]
