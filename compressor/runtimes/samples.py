"""Raw times of consecutive runs in one process, and the yardstick that says which of them were disturbed.

    quiet level       = the lowest of the lower deciles of the yardstick in all processes
    disturbed stretch = the runs behind a yardstick of more than 1.25 x quiet level

Nothing is dropped or corrected: a promise is judged by every run, and the report says what share of the time was not
quiet.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Runs between two yardsticks: few enough to see short bursts, many enough to cost next to nothing.
STRETCH_RUNS = 16
DISTURBED_ABOVE = 1.25


class Samples(NamedTuple):
    """What one process measured.

    Attributes:
        times: Nanoseconds of each run, in order, int64 [runs].
        yardstick: Nanoseconds of the yardstick before each stretch of `STRETCH_RUNS` runs, int64 [stretches].
    """

    times: NDArray[np.int64]
    yardstick: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write both arrays to an .npz file."""
        np.savez(path, times=self.times, yardstick=self.yardstick)

    @classmethod
    def load(cls, path: Path) -> "Samples":
        """What `save` wrote."""
        with np.load(path) as stored:
            return cls(stored["times"], stored["yardstick"])


def all_times(samples: Sequence[Samples]) -> NDArray[np.int64]:
    """The times of all processes, in nanoseconds, [runs]."""
    return np.concatenate([found.times for found in samples])


def quiet_level(yardstick: NDArray[np.int64]) -> float:
    """The lower decile, in nanoseconds: neighbours only ever add time, and one quiet stretch of ten is found."""
    return float(np.percentile(yardstick, 10, method="lower"))


def disturbed_share(samples: Sequence[Samples]) -> float:
    """Share of the measured time in disturbed stretches, in [0, 1]."""
    quiet_ns = min(quiet_level(found.yardstick) for found in samples)
    disturbed_ns = 0
    for found in samples:
        marks = np.repeat(found.yardstick > DISTURBED_ABOVE * quiet_ns, STRETCH_RUNS)[: found.times.size]
        disturbed_ns += int(found.times[marks].sum())
    return disturbed_ns / int(all_times(samples).sum())
