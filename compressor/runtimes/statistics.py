"""Exact statistics of latencies: percentiles, standard errors and the verdict on a promise.

| symbol | meaning |
| --- | --- |
| n | runs |
| k | runs that took at most the limit |
| q | share that is promised, 0.95 for `--percentile 95` |
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compressor.records.latency import LatencySummary, Measured
from compressor.records.promise import Verdict

CONFIDENCE = 0.99


def binomial_tail(k: int, n: int, p: float) -> float:
    """P[X >= k] of X ~ Binomial(n, p)."""
    if k <= 0:
        return 1.0
    if k > n or p <= 0.0:
        return 0.0
    if p >= 1.0:
        return 1.0
    i = np.arange(k, n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_choose = log_factorial[n] - log_factorial[i] - log_factorial[n - i]
    terms = log_choose + i * math.log(p) + (n - i) * math.log1p(-p)
    return float(min(1.0, np.exp(terms).sum()))


def share_bounds(k: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper-Pearson bounds of the true share behind k of n, each one-sided at `confidence`.

    Clopper and Pearson 1934: the lower bound is the p at which P[X >= k] = 1 - confidence, the upper one the p at
    which P[X <= k] = 1 - confidence.

    Raises:
        ValueError: No runs, or k outside 0..n.
    """
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"expected 0 <= k <= n and at least one run, got {k=}, {n=}")
    alpha = 1.0 - confidence
    low = 0.0 if k == 0 else _root(lambda p: binomial_tail(k, n, p) - alpha)
    high = 1.0 if k == n else 1.0 - _root(lambda p: binomial_tail(n - k, n, p) - alpha)
    return low, high


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):  # bisection to 2^-50
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def percentile_bounds(
    times: NDArray[np.int64], percentile: float, *, confidence: float = CONFIDENCE
) -> tuple[float | None, float | None]:
    """Bounds of a percentile of the distribution behind independent times, each one-sided at `confidence`.

    Order statistics (David and Nagaraja 2003, section 7.1): the times below the percentile are B ~ Binomial(n, q). The
    lower bound is the l-th smallest time with the largest l at which P[B >= l] >= confidence, the upper one the u-th
    with the smallest u at which P[B >= u] <= 1 - confidence. They are the times at which the Clopper-Pearson bounds of
    the share cross q.

    Args:
        times: Any unit, [n].
        percentile: In percent.
        confidence: Of each bound.

    Returns:
        (low, high) in the unit of the times; None where there are too few times to say.
    """
    ordered, share = np.sort(times), percentile / 100
    low = _last(ordered.size, lambda k: binomial_tail(k, ordered.size, share) >= confidence)
    high = _last(ordered.size, lambda k: binomial_tail(k, ordered.size, share) > 1 - confidence) + 1
    return (
        float(ordered[low - 1]) if low >= 1 else None,
        float(ordered[high - 1]) if high <= ordered.size else None,
    )


def _last(n: int, holds: Callable[[int], bool]) -> int:
    """Largest k in 0..n at which something holds that holds at 0 and, once it does not, never again."""
    low, high = 0, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def judge(k: int, n: int, *, percentile: float) -> Verdict:
    """Met: the lower bound reaches the promised share; missed: the upper bound does not; else inconclusive."""
    low, high = share_bounds(k, n)
    if low >= percentile / 100:
        return Verdict.MET
    return Verdict.MISSED if high < percentile / 100 else Verdict.INCONCLUSIVE


def summarise(samples: list[NDArray[np.int64]], *, disturbed_share: float | None = None) -> LatencySummary:
    """Percentiles over the raw times (nanoseconds) of all processes together."""
    every = np.concatenate(samples) / 1e6
    p50, p90, p95, p99 = (float(x) for x in np.percentile(every, [50, 90, 95, 99]))
    return LatencySummary(p50, p90, p95, p99, int(every.size), len(samples), disturbed_share)


def median_with_error(values: NDArray[np.float64]) -> Measured:
    """Median of samples in microseconds and its standard error, 1.2533 sigma / sqrt(n), sigma from the MAD.

    The factors are those of a normal distribution (MAD x 1.4826 = sigma; the median is 1.2533 times as uncertain as
    the mean); a median and a MAD because timing noise has one long tail.
    """
    centre = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - centre)))
    return Measured(centre, 1.2533 * spread / math.sqrt(values.size), int(values.size))
