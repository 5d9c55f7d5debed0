"""Data and teachers that make the numbers of a run doubtful: it goes on, and says so."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tiny import Watcher

from compressor.pipeline.doubts import doubts
from compressor.records.task import AGREEMENT, TaskSpec
from compressor.tasks import Targets

SPEC = TaskSpec("text-classification", ("sentence",), "label", ("bad", "good"), "accuracy", "dev")


def found(spec: TaskSpec, values: list[Any], outputs: NDArray[np.float64] | None = None) -> tuple[str, ...]:
    """The doubts about a selection part with these labels and the teacher's outputs; what was said at once as well."""
    watcher, targets = Watcher(), Targets(np.array(values))
    right = np.eye(max(2, len(spec.label_names)))[np.array(values, dtype=int)] if outputs is None else outputs
    data = SimpleNamespace(spec=spec)
    bench: Any = SimpleNamespace(selection_targets=targets, selection_teacher=right, data=data, observer=watcher)
    notes = doubts(bench)
    assert watcher.notes == list(notes)
    return notes


def test_a_selection_part_with_one_label_is_said() -> None:
    (note,) = found(SPEC, [1, 1, 1])
    assert note.startswith("All 3 labels of `selection` are 'good': a model that always answers so has the full")
    assert found(SPEC, [1, 1, 0]) == ()


def test_a_teacher_that_gives_one_answer_only_is_said() -> None:
    spec = replace(SPEC, metric=AGREEMENT, label_names=())
    (note,) = found(spec, [1, 1, 1])
    assert "answers of the teacher of `selection` are '1'" in note
