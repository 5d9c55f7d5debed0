"""Own statistics against scipy, numpy and simulation."""

import numpy as np
import pytest
from scipy import stats

from compressor.records.latency import LatencySummary
from compressor.records.promise import UNSEEN_BURST_SECONDS, Verdict
from compressor.runtimes import Samples
from compressor.runtimes.statistics import (
    ShareWithin,
    median_with_error,
    percentile_bounds,
    share_bounds,
    share_within,
    summarise,
)

MS = 1_000_000  # nanoseconds


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


@pytest.mark.parametrize(("k", "n"), [(0.3, 0.7), (94.6, 100.0), (12.25, 1533.7)])
def test_clopper_pearson_of_counts_that_are_not_whole(k: float, n: float) -> None:
    low, high = share_bounds(k, n)
    assert low == pytest.approx(stats.beta.ppf(0.01, k, n - k + 1), abs=1e-10)
    assert high == pytest.approx(stats.beta.ppf(0.99, k + 1, n - k), abs=1e-10)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.95, 0.99, Verdict.MET),
        (0.9499, 0.99, Verdict.INCONCLUSIVE),
        (0.9, 0.95, Verdict.INCONCLUSIVE),
        (0.9, 0.9499, Verdict.MISSED),
    ],
)
def test_a_verdict_is_where_both_bounds_say_the_same(low: float, high: float, verdict: Verdict) -> None:
    assert ShareWithin(0.95, low, high, 100.0).verdict(95) is verdict


def spread(within: int, over: int, *, processes: int = 5, run_ns: int = MS) -> list[np.ndarray]:
    """Runs of just the limit `run_ns` and of a nanosecond more, in a random order."""
    times = np.array([run_ns] * within + [run_ns + 1] * over, dtype=np.int64)
    return np.array_split(np.random.default_rng(0).permutation(times), processes)


def test_independent_runs_are_counted_in_full_where_slow_ones_may_not_be_missed() -> None:
    times = spread(19_000, 1_000, run_ns=20 * MS)  # 400 seconds: a run is a tenth of an unseen burst
    found = share_within(times, 20 * MS)
    exact = share_bounds(19_000, 20_000)
    assert found.share == 0.95
    assert exact[1] <= found.high <= 0.95 + 1.5 * (exact[1] - 0.95)  # what five processes cost: t / z of 4 degrees
    assert found.low < exact[0]
    assert found.effective_runs == pytest.approx(400 / UNSEEN_BURST_SECONDS, rel=1e-6)


@pytest.mark.parametrize("seconds", [2, 17, 19, 60])
def test_a_promise_needs_the_time_in_which_a_burst_would_have_come(seconds: int) -> None:
    """Nothing was slow; 0.95 ** 90 is just below 1 %, and 90 stretches of 0.2 s are 18 s."""
    found = share_within(spread(1000 * seconds, 0), MS)
    assert found.share == 1.0
    assert (found.verdict(95) is Verdict.MET) == (seconds > 18)


def test_slow_runs_in_one_burst_weigh_more_than_the_same_runs_scattered() -> None:
    scattered = spread(28_000, 2_000)
    burst = np.sort(np.concatenate(scattered))  # all of them in the last process
    together = np.array_split(burst, 5)
    assert share_within(scattered, MS).verdict(95) is Verdict.MISSED
    assert share_within(together, MS).verdict(95) is Verdict.INCONCLUSIVE
    assert share_within(together, MS).share == share_within(scattered, MS).share


def test_a_promise_is_missed_where_all_processes_say_so() -> None:
    found = share_within(spread(0, 3_000), MS)
    assert (found.share, found.low, found.verdict(95)) == (0.0, 0.0, Verdict.MISSED)


def test_summary_is_over_all_raw_times() -> None:
    random = np.random.default_rng(0)
    samples = [Samples(random.integers(1_000_000, 9_000_000, size=n), np.full(-(-n // 16), 50_000)) for n in (50, 211)]
    summary = summarise(samples)
    expected = np.quantile(np.concatenate([s.times for s in samples]), [0.5, 0.9, 0.95, 0.99]) / 1e6
    found = [summary.p50_ms, summary.p90_ms, summary.p95_ms, summary.p99_ms]
    assert found == pytest.approx(expected.tolist(), rel=1e-12)
    assert (summary.samples, summary.processes, summary.disturbed_share) == (261, 2, 0.0)


@pytest.mark.parametrize("offset", [0.0, 0.03], ids=["independent runs", "processes that differ"])
def test_the_error_of_a_median_is_what_medians_scatter_by(offset: float) -> None:
    random = np.random.default_rng(4)

    def measured() -> LatencySummary:
        logs = 0.02 * random.standard_normal((8, 400)) + offset * random.standard_normal((8, 1))
        return summarise([Samples((MS * np.exp(row)).astype(np.int64), np.full(25, 50_000)) for row in logs])

    summaries = [measured() for _ in range(300)]
    scatter = float(np.std([summary.p50_ms for summary in summaries]))
    errors = [summary.p50_standard_error_ms for summary in summaries]
    # 8 processes say how they differ to about a quarter; the larger of two estimates is a little too large.
    assert np.mean(errors) == pytest.approx(scatter, rel=0.3)


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
    low, high = percentile_bounds([ranks], percentile)
    binomial = stats.binom(n, percentile / 100)
    below = [k for k in range(1, n + 1) if binomial.sf(k - 1) >= 0.99]
    above = [k for k in range(1, n + 1) if binomial.sf(k - 1) <= 1 - 0.99]
    assert low == (max(below) if below else None)
    assert high == (min(above) if above else None)


def test_few_times_have_no_upper_bound_of_a_high_percentile() -> None:
    low, high = percentile_bounds([np.arange(100, dtype=np.int64)], 99)
    assert low is not None
    assert high is None
    assert percentile_bounds([np.array([5])], 50) == (None, None)


@pytest.mark.parametrize("percentile", [50.0, 95.0])
def test_bounds_of_a_percentile_hold_as_often_as_promised(percentile: float) -> None:
    random, truth = np.random.default_rng(3), stats.expon.ppf(percentile / 100)
    bounds = [percentile_bounds([random.exponential(size=300)], percentile, confidence=0.9) for _ in range(600)]
    misses_low = np.mean([low is not None and low > truth for low, _ in bounds])
    misses_high = np.mean([high is not None and high < truth for _, high in bounds])
    assert misses_low <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 600)
    assert misses_high <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 600)
    assert min(misses_low, misses_high) > 0.02  # exact, and not merely wide


def test_bounds_of_a_percentile_are_wider_where_processes_differ() -> None:
    random = np.random.default_rng(6)
    same = [random.normal(1e6, 2e4, 3000) for _ in range(15)]
    other = [times * random.normal(1.0, 0.01) for times in same]
    width = {}
    for name, times in (("same", same), ("other", other)):
        low, high = percentile_bounds(times, 50)
        assert low is not None
        assert high is not None
        assert low < np.median(np.concatenate(times)) < high
        width[name] = high - low
    assert width["other"] > 5 * width["same"]
