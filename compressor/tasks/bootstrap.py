"""Bootstrap intervals of metrics and of their differences.

A resample of rows with replacement changes a metric only through how often each *kind* of row (rows with equal terms,
of one model or of both) occurs, and these counts are multinomial with the kinds' shares. Drawing them is the row
bootstrap (Efron and Tibshirani, 1993, chapter 13: percentile interval), exactly. Both answers to a row stay together,
which is what makes the comparison of two models paired. For token classification a row is a sentence: words of one
sentence are not independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError
from compressor.tasks.metrics import Floats, Outputs, get_metric, points
from compressor.tasks.targets import Targets

# Counts that are held at once: bounds memory to some 10 MB per array where every row is of its own kind.
_COUNTS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Interval:
    """Both ends of a confidence interval, in points."""

    low: float
    high: float


def metric_interval(
    metric: str, outputs: Outputs, targets: Targets, *, resamples: int = 2000, confidence: float = 0.95, seed: int
) -> Interval:
    """Bootstrap interval of one model's metric, in points.

    Args:
        metric: A key of `METRICS`.
        outputs: [rows, classes], [rows, 1] or [tokens, classes].
        targets: Of the same rows.
        resamples: Number of resamples.
        confidence: Share of the resamples inside the interval.
        seed: The same inputs and seed give the same interval.

    Raises:
        InputError: Unknown metric.
        BorderError: Outputs and targets do not fit.
    """
    measured = get_metric(metric)
    kinds, counts = np.unique(measured.terms(outputs, targets), axis=0, return_counts=True)
    drawn = [measured.value(kinds, weights) for weights in _resampled(counts, resamples, seed)]
    return _percentiles(np.concatenate(drawn), confidence)


def paired_bootstrap(
    metric: str,
    outputs_a: Outputs,
    outputs_b: Outputs,
    targets: Targets,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int,
) -> Interval:
    """Bootstrap interval of metric(a) - metric(b), in points; arguments and errors as `metric_interval`."""
    measured = get_metric(metric)
    if outputs_a.shape != outputs_b.shape:
        raise BorderError(
            f"expected outputs of the same rows and classes, found {outputs_a.shape} and {outputs_b.shape}"
        )
    both = np.hstack([measured.terms(outputs, targets) for outputs in (outputs_a, outputs_b)])
    kinds, counts = np.unique(both, axis=0, return_counts=True)
    of_a, of_b = np.split(kinds, 2, axis=1)
    drawn = [
        measured.value(of_a, weights) - measured.value(of_b, weights)
        for weights in _resampled(counts, resamples, seed)
    ]
    return _percentiles(np.concatenate(drawn), confidence)


def _resampled(counts: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each kind is drawn, [resamples, kinds] in parts."""
    random, rows = np.random.default_rng(seed), int(counts.sum())
    at_once = max(1, _COUNTS_AT_ONCE // len(counts))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        yield random.multinomial(rows, counts / rows, size=size).astype(np.float64)


def _percentiles(values: Floats, confidence: float) -> Interval:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(points(float(low)), points(float(high)))
