"""What of a model's time is held against the limit."""

from functools import cached_property
from typing import Protocol

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
# A tail so many times as long as any before is measured once more: a burst in a few seconds, of which the second look
# knows nothing, had a student cut three times too deep (benchmarks/log.md).
UNLIKELY = 1.5


class Judge(Protocol):
    """Times models; made anew for every search."""

    @property
    def tail(self) -> float:
        """Judged time over median, as it is known now."""

    def time(self, model: bytes) -> tuple[LatencySummary, float]:
        """Summary, and the judged time in milliseconds."""


class PlannedTail:
    """The percentile that has to keep the limit so that verification can prove the promised one.

    On a shared machine the tail of a few seconds says little about the next minutes. So it is the percentile that was
    measured, or the median times the longest tail of the run if that is more.

    Args:
        bench: What all stages share.
        prepared: Names the workload.
        ladder: Names the options.
        tails: Planned percentile over median, where it was measured before.
    """

    def __init__(self, bench: Workbench, prepared: Prepared, ladder: Ladder, tails: tuple[float, ...] = ()) -> None:
        self._bench, self._workload, self._rung = bench, prepared.workload, ladder.fastest
        self._tails = [self._rung.tail, *tails, *((SHARED_TAIL,) if bench.device.shared else ())]

    @property
    def tail(self) -> float:
        """The longest so far; the teacher's just now is among them."""
        return max(self._tails_now)

    def time(self, model: bytes) -> tuple[LatencySummary, float]:
        """In fresh processes."""
        summary = self._timed(model, TRIAL_SECONDS, TRIAL_PROCESSES)
        return summary, self.tail * summary.p50_ms

    @cached_property
    def _tails_now(self) -> list[float]:
        self._timed(self._bench.teacher_model(self._rung.precision), WATCH_SECONDS, 1)
        return self._tails

    def _timed(self, model: bytes, seconds: float, processes: int) -> LatencySummary:
        summary, tail = self._measured(model, seconds, processes)
        if tail > UNLIKELY * max(self._tails):
            again, tail_again = self._measured(model, seconds, processes)
            summary, tail = (again, tail_again) if tail_again < tail else (summary, tail)
        self._tails.append(tail)
        return summary

    def _measured(self, model: bytes, seconds: float, processes: int) -> tuple[LatencySummary, float]:
        """Summary, and the planned percentile over the median."""
        summary, reached_ms = fresh_percentile(
            self._bench,
            model,
            self._rung.options,
            self._workload,
            seconds,
            processes=processes,
            percentile=planned_percentile(self._bench.request.budget.percentile),
        )
        return summary, reached_ms / summary.p50_ms
