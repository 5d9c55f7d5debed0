"""How much dependent runs are worth, against the variance that shares really have."""

import numpy as np
import pytest

from benchmarks.bursty import BurstyDevice, Noise
from compressor.runtimes.dependence import effective_runs, unseen_limit

MS = 1_000_000  # nanoseconds
BURSTY = Noise(jitter=0.02, burst_share=0.1, burst_factor=1.4, burst_seconds=0.1)


def measured(noise: Noise, random: np.random.Generator, *, processes: int = 5) -> list[np.ndarray]:
    device = BurstyDevice(2 * MS, noise, random)
    found = device.fresh_samples("", [], None, seconds=3.0 * processes, processes=processes)
    return [samples.times for samples in found]


@pytest.mark.parametrize(
    "noise", [BURSTY, Noise(jitter=0.02, offset=0.01), Noise(jitter=0.02)], ids=["bursts", "offsets", "independent"]
)
def test_the_share_varies_as_that_of_so_many_independent_runs(noise: Noise) -> None:
    random, limit_ns = np.random.default_rng(0), 2.05 * MS
    shares, worth = [], []
    for _ in range(300):
        times = measured(noise, random, processes=15)
        every = np.concatenate(times)
        shares.append(float((every <= limit_ns).mean()))
        worth.append(effective_runs(times, limit_ns))
    share = float(np.mean(shares))
    truth = share * (1 - share) / float(np.var(shares))
    # The larger of two estimates counts, so a third too few at most; never clearly too many.
    assert 0.6 * truth < np.median(worth) < 1.25 * truth


def test_a_bound_counts_fewer_runs_than_a_standard_error_where_there_are_few_blocks() -> None:
    times = measured(Noise(jitter=0.02, offset=0.02), np.random.default_rng(1))
    plain, bound = (effective_runs(times, 2.02 * MS, confidence=c) for c in (None, 0.99))
    assert bound == pytest.approx(plain / (3.7469 / 2.3263) ** 2, rel=1e-3)  # t of 4 degrees over z


@pytest.mark.parametrize("level_ns", [1, 10 * MS], ids=["none within", "all within"])
def test_runs_of_one_kind_are_all_counted(level_ns: int) -> None:
    times = measured(BURSTY, np.random.default_rng(2))
    runs = sum(found.size for found in times)
    assert effective_runs(times, level_ns) == runs
    assert effective_runs(times, level_ns, confidence=0.99) == pytest.approx(
        runs / max(1.0, (3.7469 / 2.3263) ** 2), rel=1e-3
    )


def test_never_more_than_there_are() -> None:
    """Slow runs at equal distances vary less than chance, which is no reason to count more."""
    times = [np.tile(np.array([MS] * 19 + [2 * MS]), 200) for _ in range(5)]
    assert effective_runs(times, MS) == 5 * 4000


def test_one_short_process_says_nothing_of_dependence() -> None:
    assert effective_runs([np.array([MS, 2 * MS, MS])], MS, confidence=0.99) == 3


def test_unseen_bursts_are_counted_by_time() -> None:
    assert unseen_limit([np.full(1000, 3 * MS), np.full(3000, MS)]) == pytest.approx(6 / 0.2)
