"""Streaming histograms and the ranges that they give."""

import numpy as np
import pytest

from compressor.precision.ranges import BINS, METHODS, TAIL, Histogram, Range, entropy, min_max, percentile


def filled(*parts: np.ndarray) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part.astype(np.float32))
    return histogram


NORMAL = np.random.default_rng(0).normal(size=200_000)


def test_every_value_is_counted_whatever_the_order() -> None:
    parts = np.split(NORMAL * np.geomspace(1e-4, 1e3, NORMAL.size), 8)
    rising, falling = filled(*parts), filled(*reversed(parts))
    assert rising.counts.sum() == falling.counts.sum() == NORMAL.size
    assert (rising.low, rising.high, rising.reach) == (falling.low, falling.high, falling.reach)
    assert abs(rising.counts - falling.counts).max() <= NORMAL.size // BINS  # of values at the edges of bins


def test_a_histogram_is_the_one_of_all_values_at_once() -> None:
    found = filled(*np.split(NORMAL, 10))
    wanted, _ = np.histogram(NORMAL.astype(np.float32), bins=BINS, range=(-found.reach, found.reach))
    assert abs(found.counts - wanted).sum() <= 20
    assert found.reach / 2 < abs(NORMAL).max() <= found.reach


def test_min_max_clips_nothing() -> None:
    assert min_max(filled(NORMAL)) == Range(float(np.float32(NORMAL.min())), float(np.float32(NORMAL.max())))


def test_the_percentile_cuts_outliers_on_each_side() -> None:
    found = percentile(filled(NORMAL, np.array([1000.0])))
    below, above = np.quantile(NORMAL, [TAIL, 1 - TAIL])
    assert found.low == pytest.approx(below, abs=1.0)  # a bin of a reach of 1,024
    assert found.high == pytest.approx(above, abs=1.0)


def test_entropy_clips_long_tails_and_leaves_even_values_alone() -> None:
    even = np.random.default_rng(1).uniform(-1, 1, size=200_000)
    assert entropy(filled(even)).high > 0.95
    tails = np.random.default_rng(2).standard_t(3, size=200_000)
    found = entropy(filled(tails))
    assert found.high < 0.7 * tails.max()
    assert found.high > np.quantile(tails, 0.99)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("low", [-1.0, 0.0, 5.0, -9.0], ids=["both signs", "positive", "far above", "far below"])
def test_zero_has_a_level_of_its_own(method: str, low: float) -> None:
    found = METHODS[method](filled(np.random.default_rng(3).uniform(low, low + 2, size=10_000)))
    assert found.low <= 0 <= found.high
    assert abs(found.low + found.zero_point * found.scale) <= 0.5001 * found.scale
    assert 0 <= found.zero_point <= 255


@pytest.mark.parametrize("method", METHODS)
def test_values_that_are_all_zero(method: str) -> None:
    found = METHODS[method](filled(np.zeros(100)))
    assert found.scale > 0
    assert found.zero_point == 0
