"""Which text cuts are judged on, and how much of it."""

from pathlib import Path

import numpy as np
import pytest
from pipeline_runs import Ask
from tiny import Watcher

from compressor.pipeline import scoring
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture, Layer


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (1000, slice(700, 892)),  # enough that nothing was fitted on
        (730, slice(700, 730)),  # fewer than wanted, but they tell something
        (701, slice(509, 701)),  # a single one would tell nothing
        (100, slice(0, 100)),
    ],
)
def test_cuts_are_not_judged_on_a_handful_of_rows(rows: int, expected: slice) -> None:
    order = np.random.default_rng(0).permutation(rows)
    found = scoring._judged_rows(order, min(rows, 700), 192)
    assert found.tolist() == order[expected].tolist()


def encoder_of(layers: int, hidden: int) -> Architecture:
    return Architecture((Layer(hidden // 64, 4 * hidden),) * layers, hidden, 64, 30_000, 512, 2, 2)


def test_a_wide_and_deep_teacher_is_fitted_on_fewer_tokens() -> None:
    assert scoring.fitting_tokens(encoder_of(12, 768)) == scoring.FITTING_TOKENS
    large = encoder_of(24, 1024)
    assert scoring.fitting_tokens(large) < scoring.FITTING_TOKENS
    assert scoring.fitting_tokens(large) * 24 * 2 * 1024 * 4 <= scoring.MOST_REFERENCE_BYTES


@pytest.mark.parametrize(("affordable", "overdrawn"), [(3, True), (30, False)])
def test_more_rows_than_there_is_time_for_are_said(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, affordable: int, overdrawn: bool
) -> None:
    monkeypatch.setattr(scoring, "affordable_rows", lambda *given: affordable)
    watcher = Watcher()
    watcher.begin("score", "find out what each cut costs")
    bench = Workbench(ask(1.0), cache=tmp_path, observer=watcher)
    scoring.score(bench)
    said = [note for note in watcher.notes if "the time budget is overdrawn: scoring cuts takes about" in note]
    assert bool(said) == overdrawn
    assert any(f"cuts are judged on {max(affordable, scoring.MIN_DAMAGE_ROWS)} rows" in note for note in watcher.notes)
