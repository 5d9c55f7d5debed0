"""What of a model's time is held against the limit."""

from functools import cached_property
from typing import Protocol

import numpy as np

from compressor.pipeline.percentile import fresh_percentile
from compressor.pipeline.workbench import Workbench
from compressor.records.latency import LatencySummary
from compressor.records.stages import Ladder, Prepared
from compressor.search.confirm import planned_percentile

WATCH_SECONDS = 3.0
# Where others use the machine too, the tail of the coming minutes is planned to be at least this long: 1.07 to 1.41
# were met within an hour (95 %), and students that were confirmed at 1.1 to 1.2 missed their limit after the training.
SHARED_TAIL = 1.25
TRIAL_SECONDS, TRIAL_PROCESSES = 6.0, 3
# Share of the tails measured so far that the planned one is at least. Not the longest: that of one burst in a dozen
# trials had students cut twice too deep (benchmarks/log.md). Where verification then meets a longer one, the student
# is cut a little further.
PLANNED_SHARE = 0.8


class Judge(Protocol):
    """Times models; made anew for every search."""

    @property
    def tail(self) -> float:
        """Judged time over median, as it is known now."""

    def time(self, model: bytes) -> tuple[LatencySummary, float]:
        """Summary, and the judged time in milliseconds."""


class PlannedTail:
    """The percentile that has to keep the limit so that verification can prove the promised one.

    On a shared machine the tail of a few seconds says little about the next minutes. So it is the median times a tail
    that most measurements of the run were below: the last but one of five to nine.

    Args:
        bench: What all stages share.
        prepared: Names the workload.
        ladder: Names the options.
        tails: Planned percentile over median that was met in a verification: the least that is planned.
    """

    def __init__(self, bench: Workbench, prepared: Prepared, ladder: Ladder, tails: tuple[float, ...] = ()) -> None:
        self._bench, self._workload, self._rung = bench, prepared.workload, ladder.fastest
        self._least: float = max([1.0, *tails, *((SHARED_TAIL,) if bench.device.shared else ())])
        self._tails = [self._rung.tail]

    @property
    def tail(self) -> float:
        """Of what was measured so far; the teacher's just now is among them."""
        met = float(np.quantile(self._tails_now, PLANNED_SHARE, method="lower"))
        return max(self._least, met)

    def time(self, model: bytes) -> tuple[LatencySummary, float]:
        """In fresh processes."""
        summary = self._timed(model, TRIAL_SECONDS, TRIAL_PROCESSES)
        return summary, self.tail * summary.p50_ms

    @cached_property
    def _tails_now(self) -> list[float]:
        self._timed(self._bench.teacher_model(self._rung.precision), WATCH_SECONDS, 1)
        return self._tails

    def _timed(self, model: bytes, seconds: float, processes: int) -> LatencySummary:
        summary, reached_ms = fresh_percentile(
            self._bench,
            model,
            self._rung.options,
            self._workload,
            seconds,
            processes=processes,
            percentile=planned_percentile(self._bench.request.budget.percentile),
        )
        self._tails.append(reached_ms / summary.p50_ms)
        return summary
