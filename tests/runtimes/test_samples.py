"""Raw times and the stretches of them that were disturbed."""

from pathlib import Path

import numpy as np
import pytest

from compressor.runtimes import Samples
from compressor.runtimes.samples import STRETCH_RUNS, all_times, disturbed_share


def stretches(*yardstick: int, run_ns: int = 100) -> Samples:
    """A stretch of equal runs behind each yardstick."""
    return Samples(np.full(len(yardstick) * STRETCH_RUNS, run_ns, dtype=np.int64), np.array(yardstick, dtype=np.int64))


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([stretches(50, 50, 51, 49)], 0.0),
        ([stretches(50, 50, 62, 63)], 0.25),  # 1.25 x 50 = 62.5
        ([stretches(50, 50, 50, 50), stretches(90, 90, 90, 90)], 0.5),  # one process was never quiet
        ([stretches(50, 50, 50, 50), stretches(90, 90, 90, 90, run_ns=300)], 0.75),  # of the time, not of the runs
        ([stretches(*[50] * 9, 5000)], 0.1),
    ],
    ids=["quiet", "a quarter", "a process", "by time", "a spike"],
)
def test_a_stretch_is_disturbed_where_its_yardstick_was_slow(samples: list[Samples], expected: float) -> None:
    assert disturbed_share(samples) == pytest.approx(expected)


def test_the_last_stretch_may_be_shorter() -> None:
    whole = stretches(50, 90)
    assert disturbed_share([Samples(whole.times[:20], whole.yardstick)]) == pytest.approx(4 / 20)


def test_they_come_back_from_a_file(tmp_path: Path) -> None:
    samples = Samples(np.arange(40, dtype=np.int64), np.arange(3, dtype=np.int64))
    samples.save(tmp_path / "samples.npz")
    again = Samples.load(tmp_path / "samples.npz")
    assert [a.tolist() for a in again] == [a.tolist() for a in samples]
    assert [a.dtype for a in again] == [np.int64, np.int64]
    assert all_times([again, again]).tolist() == [*range(40), *range(40)]
