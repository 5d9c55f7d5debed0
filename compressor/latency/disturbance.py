"""Tells measurements on a quiet machine from those that something disturbed, over a whole table.

    quiet level  = the lowest of the lower deciles of the yardstick in all slices so far
    quiet round  = yardstick <= 1.25 x quiet level, in a slice between whose ends the team has changed by 15 % at most
    excess       = share by which the times of a slice without a quiet round may be too long
    strain       = what the slower look at the memory took, before or behind the slice

One slice of a twentieth of a second may be disturbed from its first round to its last, and then knows of no quiet
level; the table, which takes half a minute, does. Three yardsticks, since each sees what the others do not:

- the speed of the core;
- the team: how far the cores of several threads are from each other. The host of a virtual machine changes that every
  few seconds, and with it all times alike, by a factor of two;
- cache and memory, which a neighbour on another core takes while arithmetic takes what it always takes: a model of
  5 MB was seen to run twice as long. They have no quiet level; they only tell the better slices from the worse.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.base import Clock, Device
from compressor.runtimes.samples import DISTURBED_ABOVE, quiet_level
from compressor.runtimes.timing import Subject, Timings, elapsed_ns

TEAM_DISTURBED_ABOVE = 1.15
TEAM_WARM_UP_NS, TEAM_NS, TEAM_RUNS = 1_500_000, 1_500_000, 5
MOSTLY = 0.5
# Slices that may be measured again for one table; a neighbour that stays must not stretch it without end.
REPEATS = 40


@dataclass(frozen=True)
class Slice:
    """Interleaved timings of a twentieth of a second or so.

    Attributes:
        timings: Raw.
        quiet: [rounds], those that nothing disturbed.
        excess: Share by which the times may be too long; 0 where there are quiet rounds to be taken instead.
        strain: Of cache and memory around the slice, in nanoseconds, the higher the worse.
        team_ns: Time of the team yardstick around the slice; 0 = one thread.
    """

    timings: Timings
    quiet: NDArray[np.bool_]
    excess: float
    strain: float
    team_ns: float = 0.0

    def chosen(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of one value per round, those of the quiet rounds, all where none is."""
        return values[self.quiet] if self.quiet.any() else values


class Disturbance:
    """What a table knows of its machine.

    Args:
        device: Whose yardsticks are looked at.
        reference_us: Time of the yardstick at the speed that times are corrected to; 0 = that of the first slice.
        team: A small model on as many threads as are measured; None = one thread.
    """

    def __init__(self, device: Device, *, reference_us: float = 0.0, team: Subject | None = None) -> None:
        self._device, self._team = device, team
        self._quiet_ns = float("inf")
        self.reference_us = reference_us
        self._levels_us: list[float] = []
        self._teams_ns: list[float] = []
        self._repeats_left = REPEATS

    def slice(self, take: Callable[[], Timings]) -> Slice:
        """Timings, taken again while most of their rounds are disturbed and there are tries left."""
        while True:
            memory, team = memory_ns(self._device), self._look_at_team()
            timings = take()
            teams = (team, self._look_at_team())
            found = self._judged(timings, max(memory, memory_ns(self._device)), teams)
            if found.quiet.mean() >= MOSTLY or self._repeats_left == 0:
                return found
            self._repeats_left -= 1

    def _look_at_team(self) -> float:
        if self._team is None:
            return 0.0
        spent = team_ns(self._team, self._device.clock)
        self._teams_ns.append(spent)
        return spent

    def _judged(self, timings: Timings, strain: float, teams: tuple[float, float]) -> Slice:
        self._quiet_ns = min(self._quiet_ns, quiet_level(timings.yardstick))
        team = math.sqrt(teams[0] * teams[1])
        quiet = np.asarray(timings.yardstick <= DISTURBED_ABOVE * self._quiet_ns)
        if max(teams) > TEAM_DISTURBED_ABOVE * min(teams):
            return Slice(timings, np.zeros_like(quiet), max(teams) / min(teams) - 1, strain, team)
        excess = 0.0 if quiet.any() else float(np.median(timings.yardstick)) / self._quiet_ns - 1
        return Slice(timings, quiet, excess, strain, team)

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

    def at_usual_team(self, team_ns: float) -> float:
        """Factor on times that were measured while the team yardstick took so long."""
        return float(np.median(self._teams_ns)) / team_ns if team_ns else 1.0


def memory_ns(device: Device) -> int:
    """Time of the memory yardstick, run once before to bring its own data into the caches."""
    device.memory_yardstick()
    begin = device.clock()
    device.memory_yardstick()
    return elapsed_ns(device.clock, begin)


def team_ns(team: Subject, clock: Clock) -> float:
    """Median time of a run of the team yardstick, when its threads are awake."""
    _run_for(team, clock, TEAM_WARM_UP_NS)
    return float(np.median(_run_for(team, clock, TEAM_NS)))


def _run_for(subject: Subject, clock: Clock, nanoseconds: int) -> list[int]:
    """Times of consecutive runs, some at least."""
    times: list[int] = []
    while len(times) < TEAM_RUNS or sum(times) < nanoseconds:
        begin = clock()
        subject()
        times.append(elapsed_ns(clock, begin))
    return times
