"""Tells measurements on a quiet machine from those that something disturbed, over a whole table.

    quiet level  = the lowest of the lower deciles of the yardstick in all slices so far
    quiet round  = yardstick <= 1.25 x quiet level
    excess       = median yardstick / quiet level - 1, of a slice without a quiet round

One slice of a tenth of a second may be disturbed from its first round to its last, and then knows of no quiet level;
the table, which takes half a minute, does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.samples import DISTURBED_ABOVE, quiet_level
from compressor.runtimes.timing import Timings

MOSTLY = 0.5
# Slices that may be measured again for one table; a neighbour that stays must not stretch it without end.
REPEATS = 30


class Disturbance:
    """What a table knows of its machine."""

    def __init__(self) -> None:
        self._quiet_ns = float("inf")
        self._reference_ns = 0.0
        self._repeats_left = REPEATS
        self._ops, self._disturbed_ops = 0, 0

    @property
    def share(self) -> float:
        """Of the ops, those that were measured without a quiet machine."""
        return self._disturbed_ops / max(1, self._ops)

    def quiet_rounds(self, timings: Timings) -> NDArray[np.bool_]:
        """[rounds]: the yardstick before the round was as fast as it is on the quiet machine."""
        self._quiet_ns = min(self._quiet_ns, quiet_level(timings.yardstick))
        return np.asarray(timings.yardstick <= DISTURBED_ABOVE * self._quiet_ns)

    def corrected(
        self, values: NDArray[np.float64], timings: Timings, quiet: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Times of a slice as they would be at the speed that the machine had in the table's first slice."""
        level = float(np.median(timings.yardstick[quiet] if quiet.any() else timings.yardstick))
        self._reference_ns = self._reference_ns or level
        return values * (self._reference_ns / level)

    def repeat(self, quiet: NDArray[np.bool_]) -> bool:
        """Whether a slice should be measured again: most of its rounds were disturbed, and there are tries left."""
        if quiet.mean() >= MOSTLY or self._repeats_left == 0:
            return False
        self._repeats_left -= 1
        return True

    def excess(self, timings: Timings, quiet: NDArray[np.bool_]) -> float:
        """Share by which the times of a slice may be too long; 0 where it has quiet rounds to be taken instead."""
        return 0.0 if quiet.any() else float(np.median(timings.yardstick)) / self._quiet_ns - 1

    def noted(self, excesses: Sequence[float]) -> float:
        """Close the measurement of an op: the mean excess of its slices."""
        excess = float(np.mean(excesses))
        self._ops += 1
        self._disturbed_ops += excess > 0
        return excess

