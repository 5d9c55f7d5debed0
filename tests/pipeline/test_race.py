"""Finalists and the race that decides between them."""

from dataclasses import replace

import pytest
from pipeline_runs import TIGHT, Ask, Run, Times, Whole, run_folder
from tiny import Watcher

from compressor.distill import recipe
from compressor.errors import BorderError
from compressor.pipeline import StoppedError, distilling
from compressor.records.architecture import Precision
from compressor.records.recipe import Recipe
from compressor.records.serial import load
from compressor.records.stages import Finalists, Raced, check_finalists, check_raced
from compressor.records.units import format_seconds


def test_the_winner_has_the_least_divergence_and_is_what_ships(whole: Whole) -> None:
    folder = run_folder(whole.cache)
    finalists, raced = load(Finalists, folder / "search.json"), load(Raced, folder / "race.json")
    assert len(finalists.students) > 1
    assert finalists.names[0] == "exact"
    assert raced.divergences[raced.winner] == min(raced.divergences)
    assert len(raced.divergences) == len(finalists.students)
    assert whole.outcome.report.architecture == finalists.students[raced.winner].architecture


def test_every_finalist_keeps_the_limit(whole: Whole, teacher_ms: Times) -> None:
    finalists = load(Finalists, run_folder(whole.cache) / "search.json")
    assert all(s.latency.p50_ms <= TIGHT * teacher_ms[Precision.INT8] for s in finalists.students)


def test_without_a_race_the_exact_search_decides(ask: Ask, run: Run, teacher_ms: Times) -> None:
    watcher = Watcher()
    request = replace(ask(TIGHT * teacher_ms[Precision.INT8]), recipe=Recipe(race=False))
    with pytest.raises(StoppedError):
        run(request, watcher=watcher, stop_after="distil")
    assert "race" not in watcher.begun
    assert not any("finalist" in note for note in watcher.notes)


@pytest.mark.parametrize(
    ("share", "said"),
    [("searching.FINALISTS_SHARE", "no finalist from uniform"), ("distilling.RACE_SHARE", "no race of")],
    ids=["to measure finalists", "to train them"],
)
def test_a_time_budget_without_room_for_a_race_says_so(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch, share: str, said: str
) -> None:
    monkeypatch.setattr(f"compressor.pipeline.{share}", 1e-9)
    watcher = Watcher()
    with pytest.raises(StoppedError):
        run(ask(TIGHT * teacher_ms[Precision.INT8]), watcher=watcher, stop_after="race")
    assert any(note.startswith(said) for note in watcher.notes)


@pytest.mark.parametrize(("speed", "overdrawn"), [(1.0, True), (1e6, False)], ids=["slow", "fast"])
def test_the_least_training_that_the_time_budget_has_no_room_for_says_so(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch, speed: float, overdrawn: bool
) -> None:
    monkeypatch.setattr(distilling, "examples_per_second", lambda *args: speed)
    monkeypatch.setattr(recipe, "MAX_EPOCHS", 1)
    watcher = Watcher()
    request = replace(ask(TIGHT * teacher_ms[Precision.INT8], time_budget_s=1200.0), recipe=Recipe(race=False))
    with pytest.raises(StoppedError):
        run(request, watcher=watcher, stop_after="distil")
    notes = [note for note in watcher.notes if "overdrawn" in note]
    assert len(notes) == overdrawn
    # 50 steps of 64 rows at 1 row/s, which are at most a share of the budget, here of 1,200 s.
    more = format_seconds(3200 / recipe.WHOLE.budget - 1200)
    assert all("takes about 53m20s, " in note and f"longer by {more} would be enough" in note for note in notes)


def test_records_of_a_race_fit_together(whole: Whole) -> None:
    finalists = load(Finalists, run_folder(whole.cache) / "search.json")
    twice = Finalists(("a", "b"), (finalists.students[0],) * 2)
    with pytest.raises(BorderError, match="distinct finalists"):
        check_finalists(twice)
    with pytest.raises(BorderError, match="expected a winner"):
        check_raced(Raced(len(finalists.students), ()), finalists)
    with pytest.raises(BorderError, match="expected a winner"):
        check_raced(Raced(0, (1.0,)), finalists)
