"""Answers that are tags of words: entities by their type, or words by their tag, and words on which they differ."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from compressor.export import EvaluationData
from compressor.records.task import TaskSpec
from compressor.report.page.answers.base import Answers, AnswerTable, Texts
from compressor.report.page.answers.classes import (
    classified,
    confusion_of,
    confusions_of,
    examples_of,
    per_class,
    summary_of,
)
from compressor.tasks.entities import Span, spans

ENTITY_F1 = "entity_f1"
Entities = set[tuple[int, Span]]  # row, and where in it


def tag_answers(data: EvaluationData, task: TaskSpec, texts: Texts) -> Answers:
    """Of a task with a tag per word."""
    found = classified(data, task, unit="words")
    first = per_type(data) if task.metric == ENTITY_F1 else per_class(found)
    places = _Places(data, texts)
    return Answers(
        summary=summary_of(found),
        tables=tuple(table for table in (first, confusions_of(found)) if table is not None),
        confusion=confusion_of(found),
        examples=examples_of(found, ("text", "word"), places.words),
    )


def per_type(data: EvaluationData) -> AnswerTable:
    """F1 of the entities of each type, as `entity_f1` counts them: type, begin and end must be right."""
    actual = _entities(data, data.targets.values.astype(np.int64))
    sides = [_entities(data, outputs.argmax(-1)) for outputs in (data.teacher, data.engine)]
    rows = []
    for label in sorted({span.label for _, span in actual.union(*sides)}):
        own = _of_type(actual, label)
        scores = (_f1(own, _of_type(side, label)) for side in sides)
        rows.append((label, str(len(own)), *(f"{100 * score:.1f} %" for score in scores)))
    return AnswerTable("Each type of entity", ("type", "entities", "teacher F1", "engine F1"), tuple(rows))


def _entities(data: EvaluationData, ids: NDArray[np.int64]) -> Entities:
    """All entities of tags, int64 [tokens]; only the first piece of a word counts."""
    counted, found = data.targets.counted, Entities()
    for row, (start, end) in enumerate(pairwise(data.tokens.offsets.tolist())):
        tags = [data.targets.tags[tag] for tag in ids[start:end][counted[start:end]]]
        found.update((row, span) for span in spans(tags))
    return found


def _of_type(entities: Entities, label: str) -> Entities:
    return {(row, span) for row, span in entities if span.label == label}


def _f1(actual: Entities, found: Entities) -> float:
    return 2 * len(actual & found) / max(1, len(actual) + len(found))


class _Places:
    """Where the words that count lie: index of a word -> its row's text, and the word."""

    def __init__(self, data: EvaluationData, texts: Texts) -> None:
        self._texts, self._offsets = texts, data.tokens.offsets
        self._positions = np.flatnonzero(data.targets.counted)

    def words(self, index: int) -> tuple[str, str]:
        """Pieces up to the next word belong to it; special tokens behind the last word are no text."""
        position = int(self._positions[index])
        row = int(np.searchsorted(self._offsets, position, side="right")) - 1
        ends = [int(self._offsets[row + 1]), *self._positions[index + 1 : index + 2].tolist()]
        return self._texts.row(row), self._texts.piece(position, min(ends))
