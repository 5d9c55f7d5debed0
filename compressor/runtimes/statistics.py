"""Exact statistics of latencies: percentiles, standard errors and the verdict on a promise.

| symbol | meaning |
| --- | --- |
| n | runs, or the number of independent runs that dependent ones are worth (`dependence.py`) |
| k | runs that took at most the limit |
| q | share that is promised, 0.95 for `--percentile 95` |
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.records.latency import LatencySummary, Measured
from compressor.records.promise import Verdict
from compressor.runtimes.dependence import Times, effective_runs, unseen_limit
from compressor.runtimes.distributions import binomial_tail, root
from compressor.runtimes.samples import Samples, all_times, disturbed_share

CONFIDENCE = 0.99


def share_bounds(k: float, n: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper-Pearson bounds of the true share behind k of n, each one-sided at `confidence`.

    Clopper and Pearson 1934: the lower bound is the p at which P[X >= k] = 1 - confidence, the upper one the p at
    which P[X <= k] = 1 - confidence. Both are continued to real k and n.

    Raises:
        ValueError: No runs, or k outside 0..n.
    """
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"expected 0 <= k <= n and at least one run, got {k=}, {n=}")
    alpha = 1.0 - confidence
    low = 0.0 if k == 0 else root(lambda p: binomial_tail(k, n, p) - alpha)
    high = 1.0 if k == n else 1.0 - root(lambda p: binomial_tail(n - k, n, p) - alpha)
    return low, high


@dataclass(frozen=True)
class ShareWithin:
    """Share of runs within a limit, with bounds that hold for dependent runs, each one-sided.

    Attributes:
        share: As measured, in [0, 1].
        low: Lower bound, which allows for bursts that were not met.
        high: Upper bound.
        effective_runs: Independent runs that the measured ones are worth for the lower bound.
    """

    share: float
    low: float
    high: float
    effective_runs: float

    def verdict(self, percentile: float) -> Verdict:
        """Met: the lower bound reaches the promised share; missed: the upper one does not; else inconclusive."""
        if self.low >= percentile / 100:
            return Verdict.MET
        return Verdict.MISSED if self.high < percentile / 100 else Verdict.INCONCLUSIVE


def share_within(times: Times, limit_ns: float, *, confidence: float = CONFIDENCE) -> ShareWithin:
    """Share of runs that take at most the limit: Clopper-Pearson on the effective number of runs.

    Never narrower than Clopper-Pearson on the runs themselves.

    Args:
        times: Nanoseconds, one array per process, every run in order.
        limit_ns: The limit.
        confidence: Of each bound.
    """
    runs = sum(found.size for found in times)
    share = sum(int((found <= limit_ns).sum()) for found in times) / runs
    worth = effective_runs(times, limit_ns, confidence=confidence)
    cautious = min(worth, unseen_limit(times))
    low, _ = share_bounds(share * cautious, cautious, confidence=confidence)
    _, high = share_bounds(share * worth, worth, confidence=confidence)
    return ShareWithin(share, low, high, cautious)


def percentile_bounds(
    times: Times, percentile: float, *, confidence: float = CONFIDENCE
) -> tuple[float | None, float | None]:
    """Bounds of a percentile of the distribution behind the times, each one-sided at `confidence`.

    Order statistics (David and Nagaraja 2003, section 7.1): of n independent times B ~ Binomial(n, q) are below the
    percentile. The lower bound is the l-th smallest with the largest l at which P[B >= l] >= confidence, the upper one
    the u-th with the smallest u at which P[B >= u] <= 1 - confidence. N times that are worth n have their N l / n-th
    and N u / n-th smallest instead. Bursts that were not met are not allowed for, unlike in a promise.

    Args:
        times: One array of nanoseconds per process, in order.
        percentile: In percent.
        confidence: Of each bound.

    Returns:
        (low, high) in nanoseconds; None where there are too few times to say.
    """
    ordered, q = np.sort(np.concatenate(times)), percentile / 100
    n = math.floor(effective_runs(times, float(np.percentile(ordered, percentile)), confidence=confidence))
    low = _last(n, lambda k: binomial_tail(k, n, q) >= confidence)
    high = _last(n, lambda k: binomial_tail(k, n, q) > 1 - confidence) + 1
    return (
        float(ordered[low * ordered.size // n - 1]) if low >= 1 else None,
        float(ordered[-(-high * ordered.size // n) - 1]) if high <= n else None,
    )


def _last(n: int, holds: Callable[[int], bool]) -> int:
    """Largest k in 0..n at which something holds that holds at 0 and, once it does not, never again."""
    low, high = 0, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def summarise(samples: Sequence[Samples]) -> LatencySummary:
    """Percentiles over the raw times of all processes together."""
    every = all_times(samples) / 1e6
    p50, p90, p95, p99 = (float(x) for x in np.percentile(every, [50, 90, 95, 99]))
    return LatencySummary(
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        samples=int(every.size),
        processes=len(samples),
        disturbed_share=disturbed_share(samples),
        p50_standard_error_ms=_median_error(samples, every, p50),
    )


def _median_error(samples: Sequence[Samples], every_ms: NDArray[np.float64], p50_ms: float) -> float:
    """Standard error of the median of dependent times: half the times between the ranks 1/2 +- 1 / (2 sqrt(n)).

    The share of times below the true median has the standard error 1 / (2 sqrt(n)) (Woodruff 1952).
    """
    n = effective_runs([found.times for found in samples], p50_ms * 1e6)
    half = min(0.5, 0.5 / math.sqrt(n))
    low, high = np.quantile(every_ms, [0.5 - half, 0.5 + half])
    return float(high - low) / 2


def median_with_error(values: NDArray[np.float64]) -> Measured:
    """Median of samples in microseconds and its standard error, 1.2533 sigma / sqrt(n), sigma from the MAD.

    The factors are those of a normal distribution (MAD x 1.4826 = sigma; the median is 1.2533 times as uncertain as
    the mean); a median and a MAD because timing noise has one long tail.
    """
    centre = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - centre)))
    return Measured(centre, 1.2533 * spread / math.sqrt(values.size), int(values.size))
