"""Correlations of predicted and true scores, for one sample or for many resamples at once.

    pearson    (s Sxy - Sx Sy) / sqrt((s Sxx - Sx^2) (s Syy - Sy^2)),    S: sums over s rows
    spearman   Pearson's correlation of the ranks; equal scores share the mean of their ranks

Source: Spearman (American Journal of Psychology 15, 1904). Where one side does not vary the correlation is 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError
from compressor.tasks.classes import ratio
from compressor.tasks.targets import Targets

Floats = NDArray[np.float64]
Outputs = NDArray[np.floating[Any]]

# A variance below this share of its own terms is what rounding leaves of 0.
_ROUNDING = 1e-12


def scores(outputs: Outputs, targets: Targets) -> Floats:
    """Terms of a correlation [rows, 2]: predicted and true score of each row, with mean 0 and variance 1.

    Correlations do not change by that, and sums of squares keep their digits.

    Args:
        outputs: [rows, 1].
        targets: Scores of the same rows.

    Raises:
        BorderError: They do not fit, or an output is not finite.
    """
    if outputs.ndim != 2 or outputs.shape[0] == 0 or outputs.shape[1] != 1:
        raise BorderError(f"expected scores [rows, 1] of at least one row, found {outputs.shape}")
    if targets.values.dtype != np.float64 or len(targets.values) != len(outputs):
        raise BorderError(f"expected {len(outputs)} true scores, found {targets.values.dtype} {targets.values.shape}")
    if not np.isfinite(outputs).all():
        row = int(np.isfinite(outputs[:, 0]).argmin())
        raise BorderError(f"expected finite scores, found {outputs[row, 0]} in row {row}")
    return np.stack(
        [_standardised(outputs[:, 0].astype(np.float64)), _standardised(targets.values.astype(np.float64))], axis=1
    )


def pearson_of(pairs: Floats, weights: Floats) -> Floats:
    """Pearson's correlation of pairs [rows, 2], each taken `weights` [..., rows] times; [...], in [-1, 1]."""
    x, y = pairs[:, 0], pairs[:, 1]
    sums = weights @ np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    return _correlation(*np.moveaxis(sums, -1, 0))


def spearman_of(pairs: Floats, weights: Floats) -> Floats:
    """Spearman's rank correlation; arguments and result as `pearson_of`."""
    rows = weights.sum(axis=-1)
    # Ranks have the mean (s + 1) / 2 in every resample, so the sums of x and y are 0.
    x, y = (_ranks(pairs[:, side], weights) - (rows[..., None] + 1) / 2 for side in (0, 1))
    zero = np.zeros_like(rows)
    sums = ((weights * a * b).sum(axis=-1) for a, b in ((x, x), (y, y), (x, y)))
    return _correlation(rows, zero, zero, *sums)


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Mean rank of each row among rows that stand for several, [..., rows].

    The order of the values is the same in every resample, so ranks are running sums: a value that is there w times,
    with c rows up to and including it, has the ranks c - w + 1 to c.
    """
    order = np.argsort(values, kind="stable")
    begins = np.flatnonzero(np.diff(values[order], prepend=-np.inf) > 0)
    held = np.add.reduceat(weights[..., order], begins, axis=-1)
    means = np.cumsum(held, axis=-1) - (held - 1) / 2
    back = np.empty(len(values), dtype=np.int64)
    back[order] = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(values)))
    return np.asarray(means[..., back])


def _correlation(rows: Floats, x: Floats, y: Floats, xx: Floats, yy: Floats, xy: Floats) -> Floats:
    of_x, of_y = (_variation(rows, total, squares) for total, squares in ((x, xx), (y, yy)))
    return ratio(rows * xy - x * y, np.sqrt(of_x * of_y))


def _variation(rows: Floats, total: Floats, squares: Floats) -> Floats:
    variation = rows * squares - total**2
    return np.where(variation > _ROUNDING * rows * squares, variation, 0.0)


def _standardised(values: Floats) -> Floats:
    if not np.ptp(values) > 0:
        return np.zeros_like(values)
    centred = values - values.mean()
    standard: Floats = centred / centred.std()
    return standard
