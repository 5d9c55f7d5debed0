"""Tells measurements on a quiet machine from those that something disturbed, over a whole table.

    quiet level  = the lowest of the lower deciles of the yardstick in all slices so far
    quiet round  = yardstick <= 1.25 x quiet level, in a slice whose memory is quiet
    quiet memory = memory yardstick before and behind the slice <= 3 x its third lowest so far
    excess       = share by which the times of a slice without a quiet round may be too long

One slice of a tenth of a second may be disturbed from its first round to its last, and then knows of no quiet level;
the table, which takes half a minute, does. Two yardsticks, since a neighbour on another core leaves the speed of this
one as it is and still takes the cache and the memory that both share: then a model of 5 MB was seen to run twice as
long while arithmetic took what it always takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.base import Device
from compressor.runtimes.samples import DISTURBED_ABOVE, quiet_level
from compressor.runtimes.timing import Timings, elapsed_ns

MEMORY_DISTURBED_ABOVE = 3.0  # a third of its lines come from memory
MEMORY_EXCESS = 0.1  # of models that fit into the caches; 5 to 20 % were seen
LUCKY = 3  # looks at the memory, of which the slowest is the quiet level: one alone may be faster than usual
MOSTLY = 0.5
# Slices that may be measured again for one table; a neighbour that stays must not stretch it without end.
REPEATS = 40


@dataclass(frozen=True)
class Slice:
    """Interleaved timings of a tenth of a second or so.

    Attributes:
        timings: Raw.
        quiet: [rounds], those that nothing disturbed.
        excess: Share by which the times may be too long; 0 where there are quiet rounds to be taken instead.
    """

    timings: Timings
    quiet: NDArray[np.bool_]
    excess: float

    def chosen(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of one value per round, those of the quiet rounds, all where none is."""
        return values[self.quiet] if self.quiet.any() else values


class Disturbance:
    """What a table knows of its machine.

    Args:
        device: Whose yardsticks are looked at.
        reference_us: Time of the yardstick at the speed that times are corrected to; 0 = that of the first slice.
    """

    def __init__(self, device: Device, *, reference_us: float = 0.0) -> None:
        self._device = device
        self._quiet_ns = float("inf")
        self._lowest_memory_ns: list[int] = []
        self.reference_us = reference_us
        self._levels_us: list[float] = []
        self._repeats_left = REPEATS
        self._ops, self._disturbed_ops = 0, 0

    @property
    def share(self) -> float:
        """Of the ops, those that were measured without a quiet machine."""
        return self._disturbed_ops / max(1, self._ops)

    def slice(self, take: Callable[[], Timings]) -> Slice:
        """Timings, taken again while most of their rounds are disturbed and there are tries left."""
        while True:
            before = self._memory_ns()
            timings = take()
            memory = max(before, self._memory_ns()) / self._quiet_memory_ns
            found = self._judged(timings, memory)
            if found.quiet.mean() >= MOSTLY or self._repeats_left == 0:
                return found
            self._repeats_left -= 1

    def _memory_ns(self) -> int:
        """Time of the memory yardstick, run once before to bring its own data into the caches."""
        self._device.memory_yardstick()
        begin = self._device.clock()
        self._device.memory_yardstick()
        spent = elapsed_ns(self._device.clock, begin)
        self._lowest_memory_ns = sorted([*self._lowest_memory_ns, max(spent, 1)])[:LUCKY]
        return spent

    @property
    def _quiet_memory_ns(self) -> int:
        return self._lowest_memory_ns[-1]

    def _judged(self, timings: Timings, memory: float) -> Slice:
        self._quiet_ns = min(self._quiet_ns, quiet_level(timings.yardstick))
        if memory > MEMORY_DISTURBED_ABOVE:
            return Slice(timings, np.zeros(timings.yardstick.shape, np.bool_), MEMORY_EXCESS)
        quiet = np.asarray(timings.yardstick <= DISTURBED_ABOVE * self._quiet_ns)
        excess = 0.0 if quiet.any() else float(np.median(timings.yardstick)) / self._quiet_ns - 1
        return Slice(timings, quiet, excess)

    def corrected(self, values: NDArray[np.float64], found: Slice) -> NDArray[np.float64]:
        """Values of a slice's rounds as they would be at the reference speed of the core.

        Args:
            values: One per round, any unit.
            found: The slice.

        Returns:
            Those of the quiet rounds, of all where none is.
        """
        level_us = float(np.median(found.chosen(found.timings.yardstick.astype(np.float64)))) / 1e3
        self._levels_us.append(level_us)
        self.reference_us = self.reference_us or level_us
        return found.chosen(values) * (self.reference_us / level_us)

    @property
    def usual_us(self) -> float:
        """The yardstick at the usual speed of the core: lower quartile of all slices, since the first may be slow."""
        return float(np.percentile(self._levels_us, 25)) if self._levels_us else self.reference_us

    def noted(self, excesses: Sequence[float]) -> float:
        """Close the measurement of an op: the mean excess of its slices."""
        excess = float(np.mean(excesses))
        self._ops += 1
        self._disturbed_ops += excess > 0
        return excess
