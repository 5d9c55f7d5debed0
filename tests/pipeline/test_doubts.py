"""Data and teachers that make the numbers of a run doubtful: it goes on, and says so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline_runs import start, wanted
from tiny import Watcher

from compressor.pipeline import StoppedError
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


def test_a_teacher_below_chance_is_said() -> None:
    (note,) = found(SPEC, [1, 1, 0], np.eye(2)[[0, 0, 1]])
    assert note.startswith("The teacher is no better than chance on `selection`: accuracy 0.00, and")
    assert found(SPEC, [1, 1, 0]) == ()


def test_a_run_with_a_teacher_whose_labels_are_swapped_says_so_and_goes_on(
    tiny_teacher: Path, tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    swapped = shutil.copytree(tiny_teacher, tmp_path / "swapped")
    config = json.loads((swapped / "config.json").read_text())
    config["id2label"] = {"0": "positive", "1": "negative"}
    (swapped / "config.json").write_text(json.dumps(config))
    data = tmp_path / "data"
    data.mkdir()
    for file in tiny_data.iterdir():  # names instead of class ids, so that the wrong order of the teacher's shows
        text = file.read_text().replace("\t0\n", "\tnegative\n").replace("\t1\n", "\tpositive\n")
        (data / file.name).write_text(text)
    watchers = [Watcher(), Watcher()]
    for teacher, watcher in zip((tiny_teacher, swapped), watchers, strict=True):
        with pytest.raises(StoppedError):
            start(tmp_path, wanted(teacher, data, target, 5.0), watcher=watcher, stop_after="prepare")
    right, wrong = ([note for note in watcher.notes if "chance" in note] for watcher in watchers)
    assert right == []
    (note,) = wrong
    assert "check that id2label in its config.json (0 = positive, 1 = negative)" in note
    records = [json.loads(path.read_text()) for path in (tmp_path / "cache" / "runs").glob("*/prepare.json")]
    assert sorted(note in str(record["notes"]) for record in records) == [False, True]
