"""What the benchmark of the other tasks compares with its limit, and when it makes a teacher anew."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import other_tasks
from benchmarks.other_tasks import Task, teacher_folder, worst_drop


def row(drop: float, low: float, *, by_interval: bool) -> dict[str, Any]:
    return {"drop": drop, "drop_low": low, "drop_high": 2 * drop - low, "by_interval": by_interval}


def test_the_worst_drop_is_the_largest() -> None:
    rows = [row(drop, drop - 1, by_interval=False) for drop in (0.4, 1.2, -0.3)]
    assert worst_drop(rows) == 1.2


def test_small_evaluation_splits_are_judged_by_the_lower_end_of_their_interval() -> None:
    large = row(0.4, -0.1, by_interval=False)
    assert worst_drop([large, row(3.0, -0.5, by_interval=True)]) == 0.4
    assert worst_drop([large, row(9.0, 2.5, by_interval=True)]) == 2.5
    assert worst_drop([large, row(3.0, -0.5, by_interval=False)]) == 3.0


def test_all_gains_are_a_negative_drop() -> None:
    assert worst_drop([row(-1.0, -2.0, by_interval=False), row(-0.5, -3.0, by_interval=True)]) == -1.0


def test_only_the_smallest_evaluation_splits_are_judged_by_their_interval() -> None:
    assert {task.name for task in other_tasks.TASKS if task.by_interval} == {"rte", "cola"}


def test_a_teacher_is_kept_by_what_it_is_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_tasks, "SHARED", tmp_path)
    encoder, data = tmp_path / "encoder", tmp_path / "data" / "small"
    for folder in (encoder, data):
        folder.mkdir(parents=True)
        (folder / "file").write_text("first", encoding="utf-8")
    task = Task("small", "accuracy", 2)
    before = teacher_folder(task, encoder)
    assert teacher_folder(task, encoder) == before
    assert teacher_folder(replace(task, epochs=3), encoder) != before
    for folder in (encoder, data):
        (folder / "file").write_text("second", encoding="utf-8")
        changed = teacher_folder(task, encoder)
        assert changed != before
        before = changed
