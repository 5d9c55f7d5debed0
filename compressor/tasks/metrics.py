"""What "accuracy" means for a task: metrics by name, and their bootstrap intervals.

Bootstrap: a resample of rows with replacement changes a metric only through how often each *kind* of row (label and
prediction, or label and both predictions) occurs, and these counts are multinomial with the kinds' shares. Drawing
them is the row bootstrap (Efron and Tibshirani, 1993, chapter 13: percentile interval), exactly, at no cost per row.
Both predictions of a row stay together, which is what makes the comparison of two models paired.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError, InputError
from compressor.tasks.counts import ClassCounts, accuracy_of, count, f1_of, matthews_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Logits = NDArray[np.floating[Any]]
Metric = Callable[[Logits, Ints], float]


@dataclass(frozen=True)
class Interval:
    """Both ends of a confidence interval, in points."""

    low: float
    high: float


def accuracy(logits: Logits, labels: Ints) -> float:
    """Share of rows whose largest logit is the label's; logits [rows, classes], labels [rows]; in [0, 1]."""
    return _measure(accuracy_of, logits, labels)


def f1(logits: Logits, labels: Ints) -> float:
    """F1 of class 1, macro F1 for more than two classes; logits [rows, classes], labels [rows]; in [0, 1]."""
    return _measure(f1_of, logits, labels)


def matthews(logits: Logits, labels: Ints) -> float:
    """Matthews correlation; logits [rows, classes], labels [rows]; in [-1, 1]."""
    return _measure(matthews_of, logits, labels)


METRICS: dict[str, Metric] = {"accuracy": accuracy, "f1": f1, "matthews": matthews}
_OF_COUNTS: dict[str, Callable[[ClassCounts], Floats]] = {
    "accuracy": accuracy_of,
    "f1": f1_of,
    "matthews": matthews_of,
}


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        InputError: There is none; the message names all, and the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    near = difflib.get_close_matches(name.lower(), METRICS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"metric: expected one of {', '.join(METRICS)}, found {name!r}{hint}")


def points(value: float) -> float:
    """A metric in points, the unit of `--max-accuracy-drop`: 0.906 -> 90.6."""
    return 100.0 * value


def agreement(logits_a: Logits, logits_b: Logits) -> float:
    """Share of rows on which two models [rows, classes] predict the same class, in [0, 1]."""
    first, second = _predictions(logits_a), _predictions(logits_b)
    if len(first) != len(second):
        raise BorderError(f"expected logits of the same rows, found {len(first)} and {len(second)}")
    return float(np.mean(first == second))


def metric_interval(
    metric: str, logits: Logits, labels: Ints, *, resamples: int = 2000, confidence: float = 0.95, seed: int
) -> Interval:
    """Bootstrap interval of one model's metric, in points.

    Args:
        metric: A key of `METRICS`.
        logits: [rows, classes].
        labels: Class ids [rows].
        resamples: Number of resamples.
        confidence: Share of the resamples inside the interval.
        seed: The same inputs and seed give the same interval.

    Raises:
        InputError: Unknown metric.
        BorderError: Logits and labels do not fit.
    """
    get_metric(metric)
    predicted = _checked_predictions(logits, labels)
    kinds, weights = _resample_kinds(np.stack([labels, predicted]), resamples, seed)
    return _percentiles(_OF_COUNTS[metric](count(kinds[1], kinds[0], weights, logits.shape[1])), confidence)


def paired_bootstrap(
    metric: str,
    logits_a: Logits,
    logits_b: Logits,
    labels: Ints,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int,
) -> Interval:
    """Bootstrap interval of metric(a) - metric(b), in points; arguments and errors as `metric_interval`."""
    get_metric(metric)
    if logits_a.shape != logits_b.shape:
        raise BorderError(f"expected logits of the same rows and classes, found {logits_a.shape} and {logits_b.shape}")
    predicted_a, predicted_b = _checked_predictions(logits_a, labels), _checked_predictions(logits_b, labels)
    kinds, weights = _resample_kinds(np.stack([labels, predicted_a, predicted_b]), resamples, seed)
    formula, classes = _OF_COUNTS[metric], logits_a.shape[1]
    of_a = formula(count(kinds[1], kinds[0], weights, classes))
    of_b = formula(count(kinds[2], kinds[0], weights, classes))
    return _percentiles(of_a - of_b, confidence)


def _resample_kinds(rows: Ints, resamples: int, seed: int) -> tuple[Ints, Floats]:
    """Rows [fields, rows] -> distinct rows [fields, kinds], how often each is drawn [resamples, kinds]."""
    kinds, counts = np.unique(rows, axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(rows.shape[1], counts / rows.shape[1], size=resamples)
    return kinds, drawn.astype(np.float64)


def _percentiles(values: Floats, confidence: float) -> Interval:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(points(float(low)), points(float(high)))


def _measure(formula: Callable[[ClassCounts], Floats], logits: Logits, labels: Ints) -> float:
    predicted = _checked_predictions(logits, labels)
    return float(formula(count(predicted, labels, np.ones(len(labels)), logits.shape[1])))


def _predictions(logits: Logits) -> Ints:
    if logits.ndim != 2 or logits.shape[0] == 0 or logits.shape[1] < 2:
        raise BorderError(f"expected logits [rows, classes] of at least one row and two classes, found {logits.shape}")
    # argmax would take a NaN for the largest value, and a broken engine would score like a working one.
    if np.isnan(logits).any():
        raise BorderError(f"expected numbers, found NaN logits in row {int(np.isnan(logits).any(axis=1).argmax())}")
    predictions: Ints = logits.argmax(axis=1)
    return predictions


def _checked_predictions(logits: Logits, labels: Ints) -> Ints:
    predicted = _predictions(logits)
    if labels.shape != predicted.shape:
        raise BorderError(f"expected one label per row of logits {logits.shape}, found labels {labels.shape}")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise BorderError(
            f"expected labels in 0 to {logits.shape[1] - 1}, found {int(labels.min())} to {int(labels.max())}"
        )
    return predicted
