"""Answers that are classes, of rows or of words: how many of each are right, what is taken for what, examples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.export import EvaluationData
from compressor.records.task import AGREEMENT, TaskSpec
from compressor.report.page.answers.base import EXAMPLES, Answers, AnswerTable, Confusion, Texts

MOST_CLASSES = 12  # of a confusion matrix that can be read


@dataclass(frozen=True, eq=False)
class Classified:
    """Classes that engine and teacher answered with.

    Attributes:
        labels: Names of the classes.
        targets: What the answers are compared with, int64 [n].
        teacher: Its answers, int64 [n].
        engine: Its answers, int64 [n].
        certainty: The smaller of both models' margins between their first and second class [n].
        labelled: Somebody gave the targets; else they are the teacher's answers.
        unit: What has a class: `rows` or `words`.
    """

    labels: tuple[str, ...]
    targets: NDArray[np.int64]
    teacher: NDArray[np.int64]
    engine: NDArray[np.int64]
    certainty: NDArray[np.float32]
    labelled: bool
    unit: str

    @property
    def surest(self) -> NDArray[np.int64]:
        """Where they differ, at most `EXAMPLES`: where both are sure first."""
        differ = np.flatnonzero(self.engine != self.teacher)
        return differ[np.argsort(-self.certainty[differ], kind="stable")][:EXAMPLES]


def classified(data: EvaluationData, task: TaskSpec, *, unit: str) -> Classified:
    """The classes of the values that count."""
    counted = data.targets.counted
    teacher, engine = data.teacher[counted], data.engine[counted]
    return Classified(
        labels=task.label_names or tuple(map(str, range(data.engine.shape[-1]))),
        targets=data.targets.values[counted].astype(np.int64),
        teacher=teacher.argmax(-1),
        engine=engine.argmax(-1),
        certainty=np.minimum(_margins(teacher), _margins(engine)),
        labelled=task.metric != AGREEMENT,
        unit=unit,
    )


def _margins(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the second class is behind the first [n]."""
    ordered = np.sort(outputs, axis=-1)
    margins: NDArray[np.float32] = ordered[:, -1] - ordered[:, -2]
    return margins


def class_answers(data: EvaluationData, task: TaskSpec, texts: Texts) -> Answers:
    """Of a task with a class per row."""
    found = classified(data, task, unit="rows")
    confusion, confusions = confusion_of(found), confusions_of(found)
    return Answers(
        summary=summary_of(found),
        tables=tuple(table for table in (per_class(found), confusions) if table is not None),
        confusion=confusion,
        examples=examples_of(found, ("text",), lambda index: (texts.row(index),)),
    )


def summary_of(found: Classified) -> str:
    """How often they differ."""
    return f"On {(found.engine != found.teacher).sum()} of {len(found.engine)} {found.unit} engine and teacher differ."


def per_class(found: Classified) -> AnswerTable:
    """What share of each class is right; where nobody gave labels, on what share of it they agree."""
    sides = (found.teacher, found.engine) if found.labelled else (found.engine,)
    rows = []
    for index, label in enumerate(found.labels):
        own = found.targets == index
        shares = (100 * (side[own] == index).sum() / max(1, own.sum()) for side in sides)
        rows.append((label, str(own.sum()), *(f"{share:.1f} %" for share in shares)))
    if found.labelled:
        return AnswerTable("Each class", ("class", found.unit, "teacher right", "engine right"), tuple(rows))
    return AnswerTable("Each class that the teacher answers", ("class", found.unit, "engine agrees"), tuple(rows))


def confusion_of(found: Classified) -> Confusion | None:
    """The whole matrix, where it can be read."""
    if len(found.labels) > MOST_CLASSES:
        return None
    if found.labelled:
        taken = "of a class (left) that the engine takes for another (above)"
    else:
        taken = "that the teacher takes for a class (left) and the engine for another (above)"
    caption = f"{found.unit.capitalize()} {taken}"
    return Confusion(caption, found.labels, tuple(tuple(row) for row in _counts(found).tolist()))


def confusions_of(found: Classified) -> AnswerTable | None:
    """What is most often taken for what, where the matrix has too many classes to be read."""
    counts = _counts(found)
    classes, sizes = len(found.labels), counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    if classes <= MOST_CLASSES or not counts.any():
        return None
    rows = []
    for place in np.argsort(-counts, axis=None, kind="stable")[:EXAMPLES].tolist():
        actual, answered = divmod(place, classes)
        if counts[actual, answered]:
            share = 100 * counts[actual, answered] / sizes[actual]
            names = (found.labels[actual], found.labels[answered])
            rows.append((*names, str(counts[actual, answered]), f"{share:.1f} %"))
    return AnswerTable(
        f"The most frequent confusions: {classes} classes are too many for a matrix",
        ("class" if found.labelled else "teacher", "engine", found.unit, "of the class"),
        tuple(rows),
    )


def _counts(found: Classified) -> NDArray[np.int64]:
    """[classes, classes], target first."""
    counts = np.zeros((len(found.labels), len(found.labels)), dtype=np.int64)
    np.add.at(counts, (found.targets, found.engine), 1)
    return counts


def examples_of(
    found: Classified, header: tuple[str, ...], words: Callable[[int], tuple[str, ...]]
) -> AnswerTable | None:
    """Where they differ, and both are sure.

    Args:
        found: The classes.
        header: Of what `words` gives.
        words: Index into the classes -> what it is the class of.
    """
    if not len(found.surest):
        return None
    sides: dict[str, NDArray[np.int64]] = {"label": found.targets} if found.labelled else {}
    sides |= {"teacher": found.teacher, "engine": found.engine}
    rows = tuple(
        (*words(index), *(found.labels[side[index]] for side in sides.values())) for index in found.surest.tolist()
    )
    return AnswerTable("Where they differ, and both are sure", (*header, *sides), rows)
