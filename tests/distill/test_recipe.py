"""How long a student is trained, and how fast that is here."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from compressor.distill import recipe, throughput
from compressor.records.training import TrainPlan, check_plan


@pytest.mark.parametrize(
    ("rows", "seen"),
    [(1, 50 * 64), (100, 50 * 64), (540, 30 * 540), (6_000, 30 * 6_000), (67_349, 200_000), (400_000, 200_000)],
    ids=["one row", "at least the minimum", "small", "30 passes", "3 passes", "half a pass"],
)
def test_the_wanted_steps_are_bounded_by_rows_seen_and_passes(rows: int, seen: int) -> None:
    assert abs(recipe.wanted_steps(rows) * recipe.BATCH - seen) < recipe.BATCH


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1e6, 3125), (640.0, 1000), (6.0, 50), (0.0, 50), (-100.0, 50)],
    ids=["plenty", "less than wanted", "hardly any", "none", "overspent"],
)
def test_the_steps_fit_the_time_that_is_left_but_never_below_the_minimum(seconds: float, expected: int) -> None:
    assert recipe.fitting_steps(67_349, examples_per_second=100.0, seconds=seconds) == expected


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7, 48, 64, 96, 256])
def test_the_plan_can_be_run_on_any_number_of_cores(ranks: int) -> None:
    plan = check_plan(recipe.plan(10, ranks=recipe.ranks_on(ranks), seed=3))
    assert recipe.BATCH // 2 < plan.batch <= recipe.BATCH
    assert plan.ranks == min(ranks, recipe.MAX_RANKS)
    assert plan.batch // plan.ranks >= 4
    assert (plan.steps, plan.seed) == (10, 3)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([(10.0, 4), (12.0, 14), (13.0, 24)], 20 * 64 / 3.0),
        ([(8.0, 24)], 24 * 64 / 8.0),
        ([(8.0, 16), (8.00001, 24)], 24 * 64 / 8.00001),
    ],
    ids=["between the first and the last report", "one report: since the start", "two at once: since the start"],
)
def test_the_speed_is_that_of_the_steps_behind_the_first_report(
    reports: list[tuple[float, int]], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, *(time for time, _ in reports)])
    plans: list[TrainPlan] = []

    def train(job: object, plan: TrainPlan, result: Path, *, progress: Callable[[int, float], None]) -> None:
        plans.append(plan)
        for _, step in reports:
            progress(step, 1.0)

    monkeypatch.setattr(throughput, "train", train)
    monkeypatch.setattr(throughput, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    found = throughput.examples_per_second(object(), ranks=1, seed=0)  # type: ignore[arg-type]
    assert found == pytest.approx(expected)
    assert plans == [recipe.plan(recipe.PROBE_STEPS, ranks=1, seed=0)]
