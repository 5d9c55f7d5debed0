"""What is measured is visited several times, spread over the time of its table.

    value = median over the calmer visits of the median of each visit
    error = 1.2533 x 1.4826 x MAD of these medians / sqrt(visits), and the error within the visits

On a shared machine what a run takes changes by some percent from one second to the next, as neighbours take more or
less of the cache; many samples of one second know nothing of that, a few of several seconds do. With several threads
every median is first brought to the usual distance of the cores, by the team yardstick around it. Of all visits the
quarter that came at the worst moments is left out, told by the yardsticks and not by the times themselves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.latency.disturbance import Disturbance
from compressor.records.latency import Measured
from compressor.runtimes.statistics import median_with_error
from compressor.runtimes.timing import Timings

CALMER_SHARE = 0.75


@dataclass(frozen=True)
class Visit:
    """One of them.

    Attributes:
        found: Median of its rounds.
        excess: Share by which it may be too long, see `Slice`.
        strain: Of cache and memory at that time, see `Slice`.
        team_ns: Time of the team yardstick, see `Slice`.
    """

    found: Measured
    excess: float = 0.0
    strain: float = 1.0
    team_ns: float = 0.0


class Visits:
    """Those of one subject.

    Args:
        disturbance: What is known of the machine.
    """

    def __init__(self, disturbance: Disturbance) -> None:
        self._disturbance = disturbance
        self._visits: list[Visit] = []

    def take(self, timings: Callable[[], Timings], values: Callable[[Timings], NDArray[np.float64]]) -> None:
        """Visit it.

        Args:
            timings: Times it for a moment.
            values: What counts of that, in microseconds [rounds].
        """
        found = self._disturbance.slice(timings)
        median = median_with_error(self._disturbance.corrected(values(found.timings), found))
        self.add(Visit(median, found.excess, found.strain, found.team_ns))

    def add(self, visit: Visit) -> None:
        """Remember a visit."""
        self._visits.append(visit)

    @property
    def disturbed(self) -> bool:
        """The machine was not quiet in any of them."""
        return all(visit.excess > 0 for visit in self._visits)

    @property
    def measured(self) -> Measured:
        """Microseconds. Where all visits were disturbed, the share by which they may be too long is in the error."""
        counting = [visit for visit in self._visits if visit.excess == 0 or self.disturbed]
        counting.sort(key=lambda visit: visit.strain)
        calm = counting[: math.ceil(CALMER_SHARE * len(counting))]
        found = [visit.found.scaled(self._disturbance.at_usual_team(visit.team_ns)) for visit in calm]
        between = median_with_error(np.array([median.value_us for median in found]))
        within = math.hypot(*(median.standard_error_us for median in found)) / len(found)
        excess = float(np.mean([visit.excess for visit in calm])) * between.value_us
        samples = sum(median.samples for median in found)
        return Measured(between.value_us, math.hypot(between.standard_error_us, within, excess), samples)
