"""Rows of different lengths in one flat array: `offsets` [rows + 1] say where each begins.

    flat     a b c d e
    offsets  0   2     5        rows (a b) (c d e)

The last offset is the length of the flat array.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def offsets_of(lengths: ArrayLike) -> Ints:
    """Offsets int64 [rows + 1] of rows of these lengths [rows]."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def are_offsets(offsets: Ints, total: int) -> bool:
    """Do they start at 0, never fall, and end at `total`?"""
    return bool(len(offsets) and offsets[0] == 0 and offsets[-1] == total and (np.diff(offsets) >= 0).all())


def take(offsets: Ints, index: ArrayLike) -> tuple[Ints, Ints]:
    """Where the rows of `index` [n] lie.

    Returns:
        (source, offsets): flat positions [total of the n rows], in the order of `index`, and the n rows' own offsets
        int64 [n + 1].
    """
    rows = np.asarray(index, dtype=np.int64)
    lengths = np.diff(offsets)[rows]
    chosen = offsets_of(lengths)
    source: Ints = np.repeat(offsets[:-1][rows] - chosen[:-1], lengths) + np.arange(chosen[-1])
    return source, chosen


def row_sums(values: NDArray[np.float64], offsets: Ints) -> NDArray[np.float64]:
    """Sums [rows] of flat values [total] over each row; an empty row gives 0."""
    # Not reduceat, which gives an empty row the value of its neighbour.
    running = np.concatenate([np.zeros(1), np.cumsum(values)])
    sums: NDArray[np.float64] = running[offsets[1:]] - running[offsets[:-1]]
    return sums
