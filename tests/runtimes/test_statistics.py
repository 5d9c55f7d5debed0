"""Own statistics against scipy, numpy and simulation."""

import numpy as np
import pytest
from scipy import stats

from compressor.records.promise import Verdict
from compressor.runtimes.statistics import (
    binomial_tail,
    judge,
    median_with_error,
    percentile_bounds,
    share_bounds,
    summarise,
)


@pytest.mark.parametrize("n", [1, 7, 200, 20_000])
@pytest.mark.parametrize("p", [1e-6, 0.3, 0.95, 1 - 1e-6])
def test_binomial_tail(n: int, p: float) -> None:
    for k in {1, n // 3, round(0.95 * n), n - 1, n}:
        assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(
    ("k", "n", "p", "expected"),
    [(0, 5, 0.2, 1.0), (-1, 5, 0.2, 1.0), (6, 5, 0.9, 0.0), (1, 5, 0.0, 0.0), (0, 5, 0.0, 1.0), (5, 5, 1.0, 1.0)],
)
def test_binomial_tail_at_the_ends(k: int, n: int, p: float, expected: float) -> None:
    assert binomial_tail(k, n, p) == expected


@pytest.mark.parametrize("n", [1, 10, 333, 5000])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_clopper_pearson(n: int, confidence: float) -> None:
    alpha = 1 - confidence
    for k in {0, 1, n // 2, round(0.95 * n), n - 1, n}:
        low, high = share_bounds(k, n, confidence=confidence)
        assert low == pytest.approx(0.0 if k == 0 else stats.beta.ppf(alpha, k, n - k + 1), abs=1e-10)
        assert high == pytest.approx(1.0 if k == n else stats.beta.ppf(1 - alpha, k + 1, n - k), abs=1e-10)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_bounds_of_impossible_counts(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= k <= n and at least one run, got k="):
        share_bounds(k, n)


@pytest.mark.parametrize(
    ("k", "n", "verdict"),
    [
        (90, 90, Verdict.MET),  # 0.95 ** 90 = 0.0099: just below 1 %
        (89, 89, Verdict.INCONCLUSIVE),  # 0.95 ** 89 = 0.0104
        (950, 1000, Verdict.INCONCLUSIVE),
        (900, 1000, Verdict.MISSED),
        (0, 1, Verdict.INCONCLUSIVE),  # P[no success] = 0.05 at the promised share
        (0, 2, Verdict.MISSED),  # 0.05 ** 2 = 0.0025
    ],
)
def test_judge(k: int, n: int, verdict: Verdict) -> None:
    assert judge(k, n, percentile=95) is verdict


@pytest.mark.parametrize("percentile", [50.0, 95.0])
@pytest.mark.parametrize("runs", [200, 1500])
def test_a_false_verdict_is_as_rare_as_promised(percentile: float, runs: int) -> None:
    """At a true share of exactly the percentile a `met` is false, and so is a `missed` a hair above it."""
    counts = np.random.default_rng(7).binomial(runs, percentile / 100, 2000)
    verdicts = {k: judge(k, runs, percentile=percentile) for k in set(counts.tolist())}
    for wrong in (Verdict.MET, Verdict.MISSED):
        happened = sum(verdicts[k] is wrong for k in counts.tolist())
        assert happened <= 20 + 3 * np.sqrt(20)  # 1 % of 2000, and three standard deviations of that count


def test_a_verdict_is_reached_where_there_is_room() -> None:
    random = np.random.default_rng(8)
    met = [judge(int(k), 2000, percentile=95) is Verdict.MET for k in random.binomial(2000, 0.975, 60)]
    missed = [judge(int(k), 2000, percentile=95) is Verdict.MISSED for k in random.binomial(2000, 0.92, 60)]
    assert np.mean(met) > 0.95
    assert np.mean(missed) > 0.95


def test_summary_is_over_all_raw_times() -> None:
    random = np.random.default_rng(0)
    samples = [random.integers(1_000_000, 9_000_000, size=n) for n in (50, 211)]
    summary = summarise(samples, disturbed_share=0.25)
    expected = np.quantile(np.concatenate(samples), [0.5, 0.9, 0.95, 0.99]) / 1e6
    found = [summary.p50_ms, summary.p90_ms, summary.p95_ms, summary.p99_ms]
    assert found == pytest.approx(expected.tolist(), rel=1e-12)
    assert (summary.samples, summary.processes, summary.disturbed_share) == (261, 2, 0.25)


def test_standard_error_of_the_median_against_simulation() -> None:
    values = np.random.default_rng(1).normal(100.0, 3.0, size=(3000, 75))
    medians = np.median(values, axis=1)
    measured = [median_with_error(row) for row in values]
    assert [m.value_us for m in measured] == medians.tolist()
    assert np.mean([m.standard_error_us for m in measured]) == pytest.approx(medians.std(), rel=0.05)
    assert {m.samples for m in measured} == {75}


def test_one_long_tail_does_not_move_the_error() -> None:
    values = np.random.default_rng(2).normal(100.0, 3.0, size=101)
    clean = median_with_error(values)
    values[:5] = 1e6
    spoiled = median_with_error(values)
    assert spoiled.value_us == pytest.approx(clean.value_us, abs=2 * clean.standard_error_us)
    assert spoiled.standard_error_us == pytest.approx(clean.standard_error_us, rel=0.3)


@pytest.mark.parametrize("n", [100, 501, 4000])
@pytest.mark.parametrize("percentile", [50.0, 95.0, 99.0])
def test_bounds_of_a_percentile_are_the_order_statistics_of_the_binomial(n: int, percentile: float) -> None:
    ranks = np.random.default_rng(0).permutation(np.arange(1, n + 1))  # the l-th smallest time is l
    low, high = percentile_bounds(ranks, percentile)
    binomial = stats.binom(n, percentile / 100)
    below = [k for k in range(1, n + 1) if binomial.sf(k - 1) >= 0.99]
    above = [k for k in range(1, n + 1) if binomial.sf(k - 1) <= 1 - 0.99]
    assert low == (max(below) if below else None)
    assert high == (min(above) if above else None)


def test_few_times_have_no_upper_bound_of_a_high_percentile() -> None:
    low, high = percentile_bounds(np.arange(100, dtype=np.int64), 99)
    assert low is not None
    assert high is None
    assert percentile_bounds(np.array([5]), 50) == (None, None)


@pytest.mark.parametrize("percentile", [50.0, 95.0])
def test_bounds_of_a_percentile_hold_as_often_as_promised(percentile: float) -> None:
    random, truth = np.random.default_rng(3), stats.expon.ppf(percentile / 100)
    bounds = [percentile_bounds(random.exponential(size=300), percentile, confidence=0.9) for _ in range(600)]
    misses_low = np.mean([low is not None and low > truth for low, _ in bounds])
    misses_high = np.mean([high is not None and high < truth for _, high in bounds])
    assert misses_low <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 600)
    assert misses_high <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 600)
    assert min(misses_low, misses_high) > 0.02  # exact, and not merely wide
