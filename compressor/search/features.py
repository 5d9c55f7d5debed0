"""Shapes as numbers: logarithms of their widths, since four times is as far from twice as twice is from once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.search.macro import Shape

Floats = NDArray[np.float64]


def features(shapes: Sequence[Shape]) -> Floats:
    """[shapes, 5]: layers, hidden, heads, neurons in steps of doubling, and 1 for relu."""
    widths = [[shape.layers, shape.hidden, shape.heads, shape.neurons] for shape in shapes]
    relu = np.array([[float(shape.activation == "relu")] for shape in shapes])
    return np.hstack([np.log2(np.array(widths, dtype=np.float64)), relu])


def distances(a: Floats, b: Floats) -> Floats:
    """Sums of absolute differences, [rows of a, rows of b]."""
    summed: Floats = np.abs(a[:, None] - b[None]).sum(axis=2)
    return summed
