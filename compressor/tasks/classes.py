"""Classification metrics as formulas of sums over rows.

    h[k]   rows of class k that are predicted as k
    p[k]   rows predicted as k
    t[k]   rows of class k
    s      rows                                        (sum of t)

    accuracy   sum(h) / s
    f1[k]      2 h[k] / (p[k] + t[k]); of class 1 for two classes, else the mean over classes that occur in t or p
    matthews   (s sum(h) - sum(t p)) / sqrt((s^2 - sum(p^2)) (s^2 - sum(t^2)))

The last is the K-category coefficient of Gorodkin (Computational Biology and Chemistry 28, 2004), which for two
classes is Matthews' own. None of them needs more of the confusion matrix than its diagonal and its margins, which is
what makes a bootstrap cheap. Where a denominator is 0 the metric is 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError
from compressor.tasks.ragged import row_sums
from compressor.tasks.targets import Targets

Floats = NDArray[np.float64]
Outputs = NDArray[np.floating[Any]]


def hits(outputs: Outputs, targets: Targets) -> Floats:
    """Terms of the accuracy of each row [rows, 2]: values that are right, and values that count.

    Args:
        outputs: Logits [rows, classes], or [tokens, classes] where the targets have a value per token.
        targets: Of the same rows.

    Raises:
        BorderError: They do not fit.
    """
    predicted, counted = predicted_classes(outputs, targets), targets.counted
    terms = (counted & (predicted == targets.values), counted)
    columns = [term.astype(np.float64) for term in terms]
    if targets.offsets is not None:
        columns = [row_sums(column, targets.offsets) for column in columns]
    return np.stack(columns, axis=1)


def accuracy_of(sums: Floats) -> Floats:
    """Share that is right, in [0, 1]: sums [..., 2] -> [...]."""
    return ratio(sums[..., 0], sums[..., 1])


def class_counts(outputs: Outputs, targets: Targets) -> Floats:
    """Terms of F1 and Matthews [rows, 3 classes]: h, p and t of each row; arguments and errors as `hits`."""
    ids = np.arange(outputs.shape[-1])
    predicted = predicted_classes(outputs, targets)[:, None] == ids
    actual = targets.values[:, None] == ids
    return np.concatenate([predicted & actual, predicted, actual], axis=1).astype(np.float64)


def f1_of(sums: Floats) -> Floats:
    """F1 of class 1 for two classes, macro F1 for more, in [0, 1]: sums [..., 3 classes] -> [...]."""
    right, predicted, actual = np.split(sums, 3, axis=-1)
    f1 = ratio(2 * right, predicted + actual)
    if f1.shape[-1] == 2:
        return np.asarray(f1[..., 1])
    occurs = (predicted + actual) > 0
    return ratio(f1.sum(axis=-1), occurs.sum(axis=-1).astype(np.float64))


def matthews_of(sums: Floats) -> Floats:
    """Matthews correlation, in [-1, 1]: sums [..., 3 classes] -> [...]."""
    right, predicted, actual = np.split(sums, 3, axis=-1)
    rows = actual.sum(axis=-1)
    covariance = rows * right.sum(axis=-1) - (actual * predicted).sum(axis=-1)
    spread = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (actual**2).sum(axis=-1))
    return ratio(covariance, np.sqrt(spread))


def ratio(above: Floats, below: Floats) -> Floats:
    """Above / below, and 0 where nothing is below."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def predicted_classes(outputs: Outputs, targets: Targets) -> NDArray[np.int64]:
    """Class of the largest logit [rows] or [tokens], checked against the targets.

    Raises:
        BorderError: Not logits of the rows (or tokens) of the targets, NaN, or a target that is no class.
    """
    if outputs.ndim != 2 or outputs.shape[0] == 0 or outputs.shape[1] < 2:
        raise BorderError(
            f"expected logits [rows, classes] of at least one row and two classes, found {outputs.shape}"
        )
    # argmax would take a NaN for the largest value, and a broken engine would score like a working one.
    if np.isnan(outputs).any():
        raise BorderError(f"expected numbers, found NaN logits in row {int(np.isnan(outputs).any(axis=1).argmax())}")
    if targets.values.shape != outputs.shape[:1]:
        raise BorderError(f"expected one target per row of logits {outputs.shape}, found {targets.values.shape}")
    known = targets.values[targets.counted]
    if known.size and (known.min() < 0 or known.max() >= outputs.shape[1]):
        raise BorderError(f"expected targets in 0 to {outputs.shape[1] - 1}, found {known.min()} to {known.max()}")
    predictions: NDArray[np.int64] = outputs.argmax(axis=1)
    return predictions
