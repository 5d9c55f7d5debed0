"""Carve a selection split from the training rows, stratified by label.

Each class gives `size * its share` rows, rounded so that the sum is `size`; every class with two rows or more is in
both parts, and a class with one row stays in train. Scores are stratified by the tenths of their distribution. Rows
without one label for the whole row (none at all, or one per word) are drawn from all alike.
"""

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.tasks.data import Split

Ints = NDArray[np.int64]

SELECTION = "selection"
_MOST_SELECTION_ROWS = 2000
_SELECTION_SHARE = 10  # one row in so many
_SCORE_BINS = 10


def default_selection_size(rows: int) -> int:
    """10 % of the training rows, at most 2000: the standard error of an accuracy of 90 % is then 0.7 points."""
    return min(_MOST_SELECTION_ROWS, rows // _SELECTION_SHARE)


def carve(split: Split, *, seed: int, size: int | None = None, part: str = SELECTION) -> tuple[Ints, Ints]:
    """`selection_split` of the rows of any split; `size` is by default that of a selection split."""
    size = default_selection_size(len(split)) if size is None else size
    if split.labels is None or split.offsets is not None:
        return selection_split(np.zeros(len(split), dtype=np.int64), size=size, seed=seed, part=part)
    return selection_split(split.labels, size=size, seed=seed, part=part)


def selection_split(
    labels: Ints | NDArray[np.float64], *, size: int, seed: int, part: str = SELECTION
) -> tuple[Ints, Ints]:
    """Split rows into train and selection.

    Args:
        labels: Class ids int64 [rows], or scores float64 [rows].
        size: Rows of the selection split.
        seed: The same labels, size and seed give the same rows in every process.
        part: Name of what is carved, for messages.

    Returns:
        (train_idx [rows - size], selection_idx [size]): row numbers, sorted; together they are all rows.

    Raises:
        InputError: Too few rows for a selection split of this size with every class in both parts.
    """
    strata = _bins(labels.astype(np.float64), size) if labels.dtype == np.float64 else labels
    classes, inverse, counts = np.unique(strata, return_inverse=True, return_counts=True)
    takes = _rows_per_class(counts, size, part)
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(np.flatnonzero(inverse == position))[: takes[position]] for position in range(len(classes))
    ]
    selection = np.sort(np.concatenate(chosen)).astype(np.int64)
    rest = np.ones(len(labels), dtype=bool)
    rest[selection] = False
    return np.flatnonzero(rest).astype(np.int64), selection


def _bins(scores: NDArray[np.float64], size: int) -> Ints:
    """Tenths of the distribution that the scores [rows] lie in; fewer where the split is smaller than that."""
    bins = max(1, min(_SCORE_BINS, size))
    inner = np.quantile(scores, np.arange(1, bins) / bins)
    return np.searchsorted(inner, scores, side="right").astype(np.int64)


def _rows_per_class(counts: Ints, size: int, part: str) -> Ints:
    """Largest-remainder shares [classes], each at least 1 and at most count - 1, with sum `size`."""
    low, high = np.minimum(counts - 1, 1), counts - 1
    least, most = max(1, int(low.sum())), int(high.sum())
    if not least <= size <= most:
        raise InputError(
            f"cannot carve {size} rows out of {int(counts.sum())} training rows for `{part}`, a tenth of them, with "
            f"every class in both parts: expected {least} to {most} rows for {len(counts)} class(es); give more "
            f"training data, at least {len(counts) * _SELECTION_SHARE} rows to carve from"
        )
    exact = counts * (size / counts.sum())
    takes: Ints = np.clip(np.floor(exact).astype(np.int64), low, high)
    while takes.sum() < size:
        takes[np.argmax(np.where(takes < high, exact - takes, -np.inf))] += 1
    while takes.sum() > size:
        takes[np.argmax(np.where(takes > low, takes - exact, -np.inf))] -= 1
    return takes
