"""Ranges of activations, from a stream of values, in bounded memory.

A histogram of `BINS` bins over [-R, R] per tensor; R doubles, two bins into one, whenever a value is beyond it, so all
values are counted and none is kept (ONNX Runtime's calibrators keep them all: 256 GB for BERT, onnxruntime #10503).

| method | low and high |
| --- | --- |
| min-max | the smallest and the largest value |
| percentile | cut off `TAIL` of the values on each side |
| entropy | min-max times the factor with the least Kullback-Leibler divergence of what 256 levels leave |

Entropy as in Migacz 2017 ("8-bit inference with TensorRT", GTC), for ranges with a zero point.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 4096
LEVELS = 256
TAIL = 1e-4
# Shares of min-max that the entropy method tries.
FACTORS = np.linspace(1.0, 0.2, 81)


@dataclass(frozen=True)
class Range:
    """What is quantised: values below and above are clipped; 0 is in it, so that it has a level of its own."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """Width of a level."""
        return max(self.high - self.low, 1e-8) / (LEVELS - 1)

    @property
    def zero_point(self) -> int:
        """The level of 0."""
        return int(np.clip(np.rint(-self.low / self.scale), 0, LEVELS - 1))


class Histogram:
    """Counts of a stream of values."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0
        self.reach = 2.0**-20
        self.counts = np.zeros(BINS, dtype=np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count some more."""
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        while max(-self.low, self.high) > self.reach:
            self._double()
        places = (values.ravel().astype(np.float64) * (BINS / (2 * self.reach)) + BINS / 2).astype(np.int64)
        self.counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)

    def _double(self) -> None:
        """Twice the reach: pairs of bins become one, in the middle half."""
        pairs = self.counts.reshape(-1, 2).sum(1)
        self.counts = np.zeros(BINS, dtype=np.int64)
        self.counts[BINS // 4 : 3 * BINS // 4] = pairs
        self.reach *= 2

    @property
    def centres(self) -> NDArray[np.float64]:
        """Value of each bin."""
        edges = np.linspace(-self.reach, self.reach, BINS + 1)
        centres: NDArray[np.float64] = (edges[1:] + edges[:-1]) / 2
        return centres


def min_max(histogram: Histogram) -> Range:
    """Nothing is clipped."""
    return Range(histogram.low, histogram.high)


def percentile(histogram: Histogram) -> Range:
    """A few outliers are clipped."""
    below = np.cumsum(histogram.counts) / max(1, histogram.counts.sum())
    low = float(histogram.centres[int(np.searchsorted(below, TAIL))])
    high = float(histogram.centres[int(np.searchsorted(below, 1 - TAIL))])
    return Range(max(histogram.low, min(low, 0.0)), min(histogram.high, max(high, 0.0)))


def entropy(histogram: Histogram) -> Range:
    """As much is clipped as makes the distribution of the quantised values most like that of the values."""
    ranges = [Range(float(f) * histogram.low, float(f) * histogram.high) for f in FACTORS]
    return min(ranges, key=lambda each: _divergence(histogram, each))


def _divergence(histogram: Histogram, candidate: Range) -> float:
    """KL(values, clipped to the range || values spread evenly over the bins of their level)."""
    centres, counts = histogram.centres, histogram.counts.astype(np.float64)
    inside = (centres >= candidate.low) & (centres <= candidate.high)
    if not inside.any() or counts.sum() == 0:
        return float("inf")
    first, last = np.flatnonzero(inside)[[0, -1]]
    kept = counts[first : last + 1].copy()
    clipped = kept.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[last + 1 :].sum()
    levels = np.rint((centres[first : last + 1] - candidate.low) / candidate.scale).astype(np.int64)
    filled = kept > 0
    sums = np.bincount(levels, weights=kept, minlength=LEVELS + 1)
    shares = np.bincount(levels, weights=filled, minlength=LEVELS + 1)
    spread = np.where(filled, sums[levels] / np.maximum(shares[levels], 1), 0.0)
    p, q = clipped / clipped.sum(), spread / max(spread.sum(), 1e-300)
    some = p > 0
    if (q[some] == 0).any():  # a clipped tail where nothing was: no level stands for it
        q = np.maximum(q, 1e-12)
    return float((p[some] * np.log(p[some] / q[some])).sum())


METHODS: dict[str, Callable[[Histogram], Range]] = {"min-max": min_max, "percentile": percentile, "entropy": entropy}
