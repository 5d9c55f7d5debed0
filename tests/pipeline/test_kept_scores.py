"""Scores of a teacher are kept by their content; what is damaged is made anew, and said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import TIGHT, Ask, Run, Times
from tiny import Watcher

from compressor.pipeline import StoppedError, scoring
from compressor.records.architecture import Precision


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per scoring."""
    made: list[int] = []
    whole = scoring.score_space

    def count(*args: Any, **kwargs: Any) -> Any:
        made.append(1)
        return whole(*args, **kwargs)

    monkeypatch.setattr(scoring, "score_space", count)
    return made


@pytest.mark.parametrize("damage", [b"{", b"{}", b"\xff\xfe"], ids=["cut off", "another record", "no text"])
def test_damaged_scores_are_made_anew(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path, counted: list[int], damage: bytes
) -> None:
    request = ask(TIGHT * teacher_ms[Precision.INT8])
    with pytest.raises(StoppedError):
        run(request, stop_after="score")
    (kept,) = (tmp_path / "cache" / "scores").iterdir()
    whole = kept.read_bytes()
    other = replace(request, time_budget_s=request.time_budget_s + 1)  # another run of the same teacher
    kept.write_bytes(damage)
    watcher = Watcher()
    with pytest.raises(StoppedError):
        run(other, watcher=watcher, stop_after="score")
    assert any(note.startswith("kept scores cannot be used") for note in watcher.notes)
    assert len(counted) == 2
    assert kept.read_bytes() == whole
    with pytest.raises(StoppedError):
        run(replace(other, time_budget_s=other.time_budget_s + 1), stop_after="score")
    assert len(counted) == 2
