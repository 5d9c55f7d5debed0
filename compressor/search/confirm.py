"""The closed loop: solve -> build -> measure -> recalibrate, until what was measured keeps the limit and uses it.

A solver on a noisy table picks the entries whose noise was lucky, and would exceed its limit by construction; here
every candidate is built from its inherited weights through the final export path and timed in a fresh process.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from compressor.errors import InfeasibleError, TooLargeError
from compressor.latency import recalibrated
from compressor.records.latency import LatencySummary, LatencyTable
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.sizing import search_within

MAX_ROUNDS = 6
# Share of the limit that the planned percentile should take: below it accuracy is given away, above it the promise is
# at the mercy of the noise of the day.
USED_LOW, USED_TARGET, USED_HIGH = 0.93, 0.96, 0.98
# Of the runs that a promise leaves out, those that a plan must not count on: if 95 % of the runs were just within the
# limit, no measurement could prove it. A share of 98 % proves 95 % with 200 independent runs, which verification has
# after 40 s on a machine of bursts.
KEPT_BACK = 0.6


@dataclass(frozen=True)
class Trial:
    """One architecture that was built and measured."""

    solution: Solution
    predicted_ms: float
    latency: LatencySummary
    reached_ms: float


@dataclass(frozen=True)
class Confirmation:
    """The best trial that keeps the limit, how many there were, and the table as they recalibrated it."""

    trial: Trial
    rounds: int
    table: LatencyTable


def planned_percentile(promised: float) -> float:
    """The percentile that must keep a limit so that verification can prove the promised one."""
    return promised + KEPT_BACK * (100 - promised)


def planned_tail(summary: LatencySummary, promised: float) -> float:
    """The planned percentile over the median, from the percentiles that a summary has.

    Between them, and beyond the last, the logarithm of the time is taken as linear in -log(share of slower runs), as
    it is for a Pareto tail.
    """
    wanted = planned_percentile(promised)
    known = ((50.0, summary.p50_ms), (90.0, summary.p90_ms), (95.0, summary.p95_ms), (99.0, summary.p99_ms))
    upper = next((i for i, (percentile, _) in enumerate(known) if percentile >= wanted), len(known) - 1)
    (low, low_ms), (high, high_ms) = known[upper - 1], known[upper]
    way = math.log((100 - low) / (100 - wanted)) / math.log((100 - low) / (100 - high))
    return low_ms / summary.p50_ms * math.pow(high_ms / low_ms, way)


def solve(problem: SearchProblem, search: Searcher, *, limit_ms: float, tail: float) -> Solution:
    """What a search finds for a promise, by the table as it is calibrated.

    Args:
        problem: Its `limit_us` is replaced.
        search: The algorithm.
        limit_ms: The promise.
        tail: Planned percentile over median.

    Raises:
        InfeasibleError: Nothing is predicted to keep it.
        TooLargeError: What is, has too many bytes.
    """
    per_us = tail * problem.table.calibration.scale / USED_TARGET / 1e3  # planned milliseconds per microsecond of it
    planned = replace(problem, limit_us=limit_ms / per_us)
    try:
        return search_within(planned, search)
    except TooLargeError:  # about bytes: no other latency helps
        raise
    except InfeasibleError as error:
        raise _no_architecture(limit_ms, error.nearest_ms * 1e3 * per_us, error.cost) from error


def confirm(
    problem: SearchProblem,
    search: Searcher,
    measure: Callable[[Solution], tuple[LatencySummary, float]],
    *,
    limit_ms: float,
    tail: float,
    report: Callable[[Trial], None] | None = None,
) -> Confirmation:
    """Find the architecture with the least damage whose measured percentile keeps the limit.

    Args:
        problem: Its `limit_us` is replaced in every round.
        search: The algorithm.
        measure: Builds and times a solution: (summary, the planned percentile in milliseconds).
        limit_ms: The promise.
        tail: Planned percentile over median, as measured on the teacher; replaced by the trials' own.
        report: Called with every trial.

    Raises:
        InfeasibleError: Nothing that keeps the limit was found; carries the closest that was measured.
    """
    trials: list[Trial] = []
    kept: Trial | None = None
    while len(trials) < MAX_ROUNDS:
        try:
            solution = solve(problem, search, limit_ms=limit_ms, tail=tail)
        except InfeasibleError:
            if kept is not None:
                break
            raise
        summary, reached_ms = measure(solution)
        trial = Trial(solution, problem.table.calibration.scale * solution.cost_us / 1e3, summary, reached_ms)
        trials.append(trial)
        if report is not None:
            report(trial)
        if reached_ms <= USED_HIGH * limit_ms and (kept is None or solution.damage < kept.solution.damage):
            kept = trial
        used = USED_LOW * limit_ms <= reached_ms <= USED_HIGH * limit_ms
        if used or (kept is not None and _same(kept, trial)):
            break
        problem = replace(problem, table=recalibrated(problem.table, trial.predicted_ms, summary.p50_ms))
        tail = reached_ms / summary.p50_ms
    if kept is None:
        raise _none_kept(limit_ms, min(trials, key=lambda trial: trial.reached_ms))
    return Confirmation(kept, len(trials), problem.table)


def _no_architecture(limit_ms: float, nearest_ms: float, cost: str) -> InfeasibleError:
    return InfeasibleError(
        f"no architecture is predicted to keep {limit_ms:.4g} ms here; the cheapest one needs about "
        f"{nearest_ms:.4g} ms",
        nearest_ms=nearest_ms,
        cost=cost,
    )


def _none_kept(limit_ms: float, closest: Trial) -> InfeasibleError:
    return InfeasibleError(
        f"{MAX_ROUNDS} architectures were built for {limit_ms:.4g} ms and none kept it; the closest took "
        f"{closest.reached_ms:.4g} ms",
        nearest_ms=closest.reached_ms / USED_HIGH,
        cost="the cuts of that architecture",
    )


def _same(kept: Trial, trial: Trial) -> bool:
    """The search has come back to what it had: another round would change nothing."""
    a, b = kept.solution, trial.solution
    return kept is not trial and (a.widths, a.cells) == (b.widths, b.cells)
