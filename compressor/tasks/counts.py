"""Classification metrics as formulas of class counts, for one sample or for many at once.

    tp[k]  rows of class k that are predicted as k     (`hits`)
    p[k]   rows predicted as k                         (`predicted`)
    t[k]   rows of class k                             (`actual`)
    s      rows                                        (sum of t)

    accuracy   sum(tp) / s
    f1[k]      2 tp[k] / (p[k] + t[k]); of class 1 for two classes, else the mean over classes that occur in t or p
    matthews   (s sum(tp) - sum(t p)) / sqrt((s^2 - sum(p^2)) (s^2 - sum(t^2)))

The last is the K-category coefficient of Gorodkin (Computational Biology and Chemistry 28, 2004), which for two
classes is Matthews' own. None of them needs more of the confusion matrix than its diagonal and its margins, which is
what makes a bootstrap cheap. Where a denominator is 0 the metric is 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Counts [..., classes] as whole numbers in float64; the leading axes are samples."""

    hits: Floats
    predicted: Floats
    actual: Floats


def count(predicted: Ints, labels: Ints, weights: Floats, classes: int) -> ClassCounts:
    """Count rows that stand for several.

    Args:
        predicted: Predicted class ids [rows].
        labels: Class ids [rows].
        weights: How many times each row occurs [..., rows].
        classes: Number of classes.
    """
    ids = np.arange(classes)
    is_predicted = (predicted[:, None] == ids).astype(np.float64)
    is_actual = (labels[:, None] == ids).astype(np.float64)
    return ClassCounts(weights @ (is_predicted * is_actual), weights @ is_predicted, weights @ is_actual)


def accuracy_of(counts: ClassCounts) -> Floats:
    """Share of rows that are right, in [0, 1]; shape [...]."""
    return _ratio(counts.hits.sum(axis=-1), counts.actual.sum(axis=-1))


def f1_of(counts: ClassCounts) -> Floats:
    """F1 of class 1 for two classes, macro F1 for more, in [0, 1]; shape [...]."""
    f1 = _ratio(2 * counts.hits, counts.predicted + counts.actual)
    if f1.shape[-1] == 2:
        return np.asarray(f1[..., 1])
    occurs = (counts.predicted + counts.actual) > 0
    return _ratio(f1.sum(axis=-1), occurs.sum(axis=-1).astype(np.float64))


def matthews_of(counts: ClassCounts) -> Floats:
    """Matthews correlation, in [-1, 1]; shape [...]."""
    rows = counts.actual.sum(axis=-1)
    covariance = rows * counts.hits.sum(axis=-1) - (counts.actual * counts.predicted).sum(axis=-1)
    spread = (rows**2 - (counts.predicted**2).sum(axis=-1)) * (rows**2 - (counts.actual**2).sum(axis=-1))
    return _ratio(covariance, np.sqrt(spread))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
