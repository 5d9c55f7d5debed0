"""The closed loop on a simulated device: a function of the predicted cost, with a bias and noise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from search_problems import cost_us, problem

from compressor.errors import InfeasibleError
from compressor.latency import estimate
from compressor.records.latency import LatencySummary
from compressor.search import SearchProblem, Solution, exact_search
from compressor.search.confirm import (
    MAX_ROUNDS,
    USED_HIGH,
    USED_LOW,
    Trial,
    confirm,
    planned_percentile,
    planned_tail,
)

TAIL = 1.1
Measure = Callable[[Solution], tuple[LatencySummary, float]]

# Many levels, so that an architecture close to every limit exists.
FINE = problem(0, layers=6, heads=tuple(range(9)), neurons=tuple(range(0, 256, 16)))
TEACHER_MS = estimate(FINE.table, FINE.source).value_us / 1e3


def summary(p50_ms: float, tail: float = TAIL) -> LatencySummary:
    return LatencySummary(p50_ms, p50_ms, tail * p50_ms, tail * p50_ms, samples=100, processes=1)


def simulated(bias: float, *, noise: float = 0.0, tail: float = TAIL, seed: int = 0) -> Measure:
    random = np.random.default_rng(seed)

    def measure(solution: Solution) -> tuple[LatencySummary, float]:
        p50_ms = bias * solution.cost_us / 1e3 * float(np.exp(noise * random.standard_normal()))
        return summary(p50_ms, tail), tail * p50_ms

    return measure


def scripted(*reached_ms: float) -> Measure:
    """These times, whatever is measured."""
    times = iter(reached_ms)

    def measure(solution: Solution) -> tuple[LatencySummary, float]:
        reached = next(times)
        return summary(reached / TAIL), reached

    return measure


@pytest.mark.parametrize("bias", [0.85, 1.0, 1.15, 1.6])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_table_that_is_off_is_recalibrated_and_the_limit_used(bias: float, share: float) -> None:
    limit_ms = share * TEACHER_MS
    found = confirm(FINE, exact_search, simulated(bias), limit_ms=limit_ms, tail=TAIL)
    assert USED_LOW * limit_ms <= found.trial.reached_ms <= USED_HIGH * limit_ms
    assert found.rounds <= 3
    if found.rounds > 1:
        assert found.table.calibration.scale == pytest.approx(bias)
        assert found.trial.predicted_ms == pytest.approx(found.trial.latency.p50_ms)


def test_a_noisy_table_overshoots_in_an_open_loop_and_not_in_ours() -> None:
    """A solver takes the entries whose noise was lucky: without bias, 3 % of noise still make it exceed its budget."""
    limit_ms, over, used = 0.5 * TEACHER_MS, [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        entries = tuple(
            replace(e, cached=replace(e.cached, value_us=e.cached.value_us * (1 + 0.03 * random.standard_normal())))
            for e in FINE.table.entries
        )
        noisy = replace(FINE, table=replace(FINE.table, entries=entries))

        def true_ms(solution: Solution) -> float:
            return cost_us(FINE, solution.widths) / 1e3

        def measure(solution: Solution) -> tuple[LatencySummary, float]:
            return summary(true_ms(solution)), TAIL * true_ms(solution)

        over.append(true_ms(exact_search(replace(noisy, limit_us=1e3 * limit_ms))) / limit_ms)
        used.append(confirm(noisy, exact_search, measure, limit_ms=limit_ms, tail=TAIL).trial.reached_ms / limit_ms)
    assert np.mean(over) > 1.01
    assert max(used) <= USED_HIGH
    assert min(used) >= USED_LOW


def test_a_tail_that_is_off_is_corrected_by_the_first_trial() -> None:
    limit_ms = 0.5 * TEACHER_MS
    found = confirm(FINE, exact_search, simulated(1.0, tail=1.5), limit_ms=limit_ms, tail=1.0)
    assert USED_LOW * limit_ms <= found.trial.reached_ms <= USED_HIGH * limit_ms
    assert found.rounds == 2


@pytest.mark.parametrize("seed", range(6))
def test_with_noise_it_ends_and_never_returns_what_was_measured_over_the_limit(seed: int) -> None:
    limit_ms = 0.5 * TEACHER_MS
    trials: list[Trial] = []
    found = confirm(
        FINE,
        exact_search,
        simulated(1.15, noise=0.04, seed=seed),
        limit_ms=limit_ms,
        tail=TAIL,
        report=trials.append,
    )
    assert found.trial.reached_ms <= USED_HIGH * limit_ms
    assert 1 <= found.rounds == len(trials) <= MAX_ROUNDS
    assert found.trial in trials
    kept = [trial for trial in trials if trial.reached_ms <= USED_HIGH * limit_ms]
    assert found.trial.solution.damage == min(trial.solution.damage for trial in kept)


def test_a_device_that_never_keeps_the_limit_is_infeasible_with_the_nearest() -> None:
    # Slower by a little in every round, so that recalibration never catches up.
    limit_ms = 0.5 * TEACHER_MS
    times = [limit_ms * factor for factor in (1.3, 1.2, 1.25, 1.3, 1.2, 1.1, 1.0)]
    with pytest.raises(InfeasibleError, match=r"6 architectures were built .* none kept it; the closest took") as e:
        confirm(FINE, exact_search, scripted(*times), limit_ms=limit_ms, tail=TAIL)
    assert e.value.nearest_ms == pytest.approx(1.1 * limit_ms / USED_HIGH)
    assert e.value.nearest_ms > limit_ms


@pytest.mark.parametrize("times", [(), (100.0,)], ids=["at once", "after a trial"])
def test_a_limit_below_every_architecture_names_the_users_limit_and_a_feasible_one(times: tuple[float, ...]) -> None:
    limit_ms = 0.004 * TEACHER_MS if not times else 0.2 * TEACHER_MS
    task = replace(FINE, limit_us=1e9)
    measure = scripted(*(factor * limit_ms for factor in times)) if times else simulated(1.0)
    message = f"no architecture is predicted to keep {limit_ms:.4g} ms here; the cheapest one needs about"
    with pytest.raises(InfeasibleError, match=message) as caught:
        confirm(task, exact_search, measure, limit_ms=limit_ms, tail=TAIL)
    assert caught.value.nearest_ms > limit_ms
    assert "one attention head is left" in caught.value.cost
    if not times:
        nearest_ms = caught.value.nearest_ms * (1 + 1e-9)
        found = confirm(task, exact_search, simulated(1.0), limit_ms=nearest_ms, tail=TAIL)
        assert found.trial.reached_ms <= USED_HIGH * nearest_ms


def test_an_overshoot_behind_a_trial_that_wastes_the_limit_is_not_the_end() -> None:
    limit_ms = 0.5 * TEACHER_MS
    times = (0.6 * limit_ms, 1.05 * limit_ms, 0.94 * limit_ms)
    found = confirm(FINE, exact_search, scripted(*times), limit_ms=limit_ms, tail=TAIL)
    assert found.rounds == 3
    assert found.trial.reached_ms in (times[0], times[2])
    trials: list[Trial] = []
    confirm(FINE, exact_search, scripted(*times), limit_ms=limit_ms, tail=TAIL, report=trials.append)
    assert found.trial.solution.damage == min(trials[i].solution.damage for i in (0, 2))


def test_a_disturbed_round_does_not_lose_what_was_kept() -> None:
    limit_ms = 0.3 * TEACHER_MS
    found = confirm(FINE, exact_search, scripted(0.8 * limit_ms, 90 * limit_ms), limit_ms=limit_ms, tail=TAIL)
    assert found.trial.reached_ms == 0.8 * limit_ms
    assert found.rounds == 2


def test_the_search_is_given_the_recalibrated_limit_only() -> None:
    limits: list[float] = []

    def spy(task: SearchProblem) -> Solution:
        limits.append(task.limit_us)
        return exact_search(task)

    limit_ms = 0.5 * TEACHER_MS
    confirm(FINE, spy, simulated(1.15), limit_ms=limit_ms, tail=TAIL)
    assert limits[1] == pytest.approx(limits[0] / 1.15)
    assert limits[0] * TAIL < 1e3 * limit_ms


@pytest.mark.parametrize(("promised", "planned"), [(50.0, 80.0), (90.0, 96.0), (95.0, 98.0), (99.0, 99.6)])
def test_the_planned_tail_of_a_pareto_distribution_is_exact(promised: float, planned: float) -> None:
    def quantile_ms(percentile: float) -> float:
        return float(0.7 * (1 - percentile / 100) ** -0.1)

    found = LatencySummary(*map(quantile_ms, (50, 90, 95, 99)), samples=1000, processes=5)
    assert planned_percentile(promised) == pytest.approx(planned)
    assert planned_tail(found, promised) == pytest.approx(quantile_ms(planned) / quantile_ms(50))
