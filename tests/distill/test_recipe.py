"""How long a student is trained, and how fast that is here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from compressor.distill import recipe, throughput
from compressor.records.training import TrainPlan, check_plan
from compressor.train import Crew, crew_on


@pytest.mark.parametrize(
    ("rows", "seen", "batch"),
    [
        (1, 50 * 64, 64),
        (100, 50 * 64, 64),
        (540, 30 * 540, 64),
        (6_000, 30 * 6_000, 64),
        (9_000, 30 * 9_000, 128),
        (67_349, 600_000, 128),
        (1_400_000, 600_000, 128),
    ],
    ids=["one row", "at least the minimum", "small", "30 passes", "large batches", "9 passes", "half a pass"],
)
def test_the_wanted_steps_are_bounded_by_rows_seen_and_passes(rows: int, seen: int, batch: int) -> None:
    assert recipe.batch_of(rows) == batch
    assert abs(recipe.wanted_steps(rows) * batch - seen) < batch


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1e6, 4687), (640.0, 500), (6.0, 50), (0.0, 50), (-100.0, 50)],
    ids=["plenty", "less than wanted", "hardly any", "none", "overspent"],
)
def test_the_steps_fit_the_time_that_is_left_but_never_below_the_minimum(seconds: float, expected: int) -> None:
    assert recipe.fitting_steps(67_349, examples_per_second=100.0, seconds=seconds) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(1e6, 78), (80.0, 62), (60.0, 0), (-1.0, 0)])
def test_a_race_has_enough_steps_or_none(seconds: float, expected: int) -> None:
    assert recipe.race_steps(67_349, examples_per_second=100.0, seconds=seconds) == expected


@pytest.mark.parametrize(
    ("rows", "seconds", "expected"),
    [(67_349, 1e6, 39), (67_349, 40.0, 31), (67_349, 0.0, 20), (2_000, 1e6, 78), (2_000, 20.0, 31)],
    ids=["a proxy of the text", "as the time allows", "the least", "small batches", "small and slow"],
)
def test_a_try_sees_as_many_rows_whatever_the_batch(rows: int, seconds: float, expected: int) -> None:
    assert recipe.try_steps(rows, examples_per_second=100.0, seconds=seconds) == expected


@pytest.mark.parametrize("rows", [10, 100_000])
@pytest.mark.parametrize("gpus", [0, 1, 8])
@pytest.mark.parametrize("cores", [1, 2, 3, 4, 7, 48, 64, 96, 256])
def test_the_plan_can_be_run_on_any_number_of_cores_and_gpus(cores: int, gpus: int, rows: int) -> None:
    plan = check_plan(recipe.plan(10, rows=rows, crew=crew_on(cores, gpus=gpus), seed=3))
    assert recipe.batch_of(rows) // 2 < plan.batch <= recipe.batch_of(rows)
    assert plan.batch // plan.ranks >= 4
    assert (plan.steps, plan.seed) == (10, 3)


# Tokens of the rows of every step, of two rows each: 8, 8, 4, 4, 16, 16, 8 on average.
ORDER = SimpleNamespace(
    lengths=np.array([8, 8, 8, 8, 4, 4, 4, 4, 16, 16, 16, 16, 8, 8]),
    rows=lambda step: np.array([2 * step, 2 * step + 1]),
)


@pytest.mark.parametrize(
    ("reports", "tokens_per_second"),
    [
        ([(10.0, 2), (12.0, 4), (13.0, 6), (17.0, 7)], 64 / 1.0),
        ([(10.0, 2), (11.0, 4), (13.0, 6), (17.0, 7)], 64 / 2.0),
        ([(8.0, 4)], 48 / 8.0),
        ([(8.0, 2), (8.00001, 4)], 48 / 8.00001),
    ],
    ids=[
        "a neighbour for a while: the fastest stretch",
        "a stretch of short rows is not fast",
        "one report: since the start",
        "two at once: since the start",
    ],
)
def test_the_speed_is_that_of_the_fastest_stretch_behind_the_first_report(
    reports: list[tuple[float, int]], tokens_per_second: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, *(time for time, _ in reports)])
    plans: list[TrainPlan] = []

    def train(job: object, plan: TrainPlan, result: Path, *, progress: Callable[[int, float], None]) -> None:
        plans.append(plan)
        for _, step in reports:
            progress(step, 1.0)

    monkeypatch.setattr(throughput, "train", train)
    monkeypatch.setattr(throughput, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    plan = recipe.plan(1000, rows=10, crew=Crew(1), seed=0)
    job = SimpleNamespace(setup=lambda: SimpleNamespace(order=ORDER))
    found = throughput.examples_per_second(job, plan)
    assert found == pytest.approx(tokens_per_second / ORDER.lengths.mean())
    assert plans == [replace(plan, steps=recipe.PROBE_STEPS)]


@pytest.mark.parametrize(
    ("rows", "per_second", "copies"),
    [
        (65_000, 1e9, 2),
        (65_000, 500.0, 1),
        (65_000, 350.0, 0),
        (2_500, 1e9, 16),
        (2_500, 50.0, 2),
        (150_000, 1e9, 0),
    ],
    ids=["wanted", "what there is time for", "no time", "small", "small and slow", "large enough"],
)
def test_copies_fill_up_small_sets_as_the_time_allows(rows: int, per_second: float, copies: int) -> None:
    assert recipe.copies_of(rows, rows_per_second=per_second, time_budget_s=1800.0) == copies


def test_half_of_the_copies_are_joined_where_longer_texts_are_asked_for() -> None:
    assert [recipe.joined_of(copies, 1.4) for copies in (0, 1, 2, 16)] == [0, 0, 0, 0]
    assert [recipe.joined_of(copies, 1.6) for copies in (0, 1, 2, 16)] == [0, 0, 1, 8]
    rate = 2.1 * 65_000 / (recipe.COPYING_SHARE * 1800.0)  # just enough for two copies, not if one is twice as long
    ratios = {
        ratio: recipe.copies_of(65_000, rows_per_second=rate, time_budget_s=1800.0, length_ratio=ratio)
        for ratio in (1.0, 2.0)
    }
    assert ratios == {1.0: 2, 2.0: 1}


def test_a_deep_cut_is_made_in_two() -> None:
    assert recipe.intermediate_ms(3.0, 6.0) is None
    assert recipe.intermediate_ms(1.0, 4.0) == 2.0
    assert recipe.intermediate_ms(2.25, 4.0, always=True) == 3.0
    assert recipe.intermediate_ms(4.0, 4.0, always=True) is None  # what is between them is no cut
    shares = recipe.ASSISTANT.budget + recipe.BEHIND_ASSISTANT.budget
    assert 0.75 * recipe.WHOLE.budget < shares <= recipe.WHOLE.budget  # two cuts take about the time of one
    assert recipe.ASSISTANT.rows + recipe.BEHIND_ASSISTANT.rows == pytest.approx(recipe.WHOLE.rows)


def test_a_repair_is_short_and_slow() -> None:
    assert recipe.wanted_steps(67_349, recipe.REPAIR) == 468
    assert recipe.plan(1, rows=67_349, crew=Crew(1), seed=0, part=recipe.REPAIR).learning_rate == 2e-4


@pytest.mark.parametrize(
    ("rows", "per_second", "trained_on"),
    [
        (67_349, 1_000.0, 67_349),
        (1_400_000, 1e9, recipe.ROWS_SEEN),
        (67_349, 150.0, 49_152),  # 54,000 in the time for it
        (67_349, 152.0, 49_152),
        (67_349, 0.1, recipe.LEAST_ROWS),
        (1_000, 0.1, 1_000),
    ],
    ids=["all", "no more than are seen", "a round number", "the same on another day", "very slow", "very few"],
)
def test_no_more_text_than_the_teacher_answers_in_its_share_of_the_time(
    rows: int, per_second: float, trained_on: int
) -> None:
    assert recipe.rows_of(rows, rows_per_second=per_second, time_budget_s=1800.0) == trained_on
