"""Which rung of the ladder will probably win: the teacher and the smallest student, timed for a second.

Only the latency is looked at; what int8 or a cut costs in accuracy is not known before the run.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compressor.errors import UnavailableError
from compressor.pipeline.stages import smallest_student, workload_of
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Precision
from compressor.records.results import ROW_NAMES
from compressor.records.units import format_ms
from compressor.runtimes import Engine, engine_subject, time_interleaved
from compressor.search.ladder import LIMIT_MARGIN, one_per_runtime

SECONDS = 1.0
STUDENT, SMALLEST, NOTHING = "student", "smallest student", "nothing"


@dataclass(frozen=True)
class ForecastRung:
    """A model, its median and its promised percentile in a short measurement."""

    name: str
    p50_ms: float
    reached_ms: float


@dataclass(frozen=True)
class Forecast:
    """What will probably ship.

    Attributes:
        rungs: The teacher at each precision, the least invasive first, and the smallest student if there can be one.
        likely: Name of a rung, "student", or "nothing" where not even the smallest student keeps the limit.
    """

    rungs: tuple[ForecastRung, ...]
    likely: str

    @property
    def summary(self) -> str:
        """One line for people."""
        measured = ", ".join(f"{rung.name} {format_ms(rung.reached_ms)}" for rung in self.rungs)
        return f"likely to ship: {self.likely} (by latency alone: {measured})"


def forecast(bench: Workbench) -> Forecast:
    """Time every rung at the workload of the promise, in this process."""
    workload = workload_of(bench)
    models = {ROW_NAMES[precision]: (bench.teacher_model(precision), precision) for precision in bench.precisions}
    if bench.teacher.architecture is not None:
        precision = bench.precisions[-1]
        smallest = apply_precision(smallest_student(bench).emit(), precision)
        models[SMALLEST] = (smallest.SerializeToString(), precision)
    feeds = bench.feeds(workload)
    subjects = {
        (name, runtime): engine_subject(engine, feeds)
        for name, (model, precision) in models.items()
        for runtime, engine in _engines(bench, model, precision)
    }
    timings = time_interleaved(
        {" in ".join(key): subject for key, subject in subjects.items()},
        clock=bench.device.clock,
        seconds=SECONDS,
        yardstick=bench.device.yardstick,
        threads=workload.threads,
    )
    percentile = bench.request.budget.percentile

    def rung(key: tuple[str, str]) -> ForecastRung:
        name = " in ".join(key)
        reached_ms = float(np.percentile(timings.samples[name], percentile)) / 1e6
        return ForecastRung(key[0], timings.median_ms(name), reached_ms)

    rungs = tuple(
        min((rung(key) for key in subjects if key[0] == name), key=lambda rung: rung.reached_ms) for name in models
    )
    return Forecast(rungs, likely(rungs, bench.request.budget.max_latency_ms))


def _engines(bench: Workbench, model: bytes, precision: Precision) -> Iterator[tuple[str, Engine]]:
    """One for each runtime that reads the graph; the first one must."""
    for place, options in enumerate(one_per_runtime(bench.device, bench.threads, precision)):
        try:
            yield options.runtime, bench.device.compile(model, options)
        except UnavailableError:
            if place == 0:
                raise


def likely(rungs: tuple[ForecastRung, ...], limit_ms: float | None) -> str:
    """Name of the least invasive model that keeps the limit; without a limit a student is tried where one can be.

    Args:
        rungs: As in `Forecast`: the smallest student is the last, where the teacher can be cut.
        limit_ms: Of the promised percentile.
    """
    teachers = [rung for rung in rungs if rung.name != SMALLEST]
    smallest = [rung for rung in rungs if rung.name == SMALLEST]
    if limit_ms is None:
        return STUDENT if smallest else min(teachers, key=lambda rung: rung.reached_ms).name
    kept = (rung.name for rung in teachers if rung.reached_ms <= LIMIT_MARGIN * limit_ms)
    return next(kept, STUDENT if smallest and smallest[0].reached_ms <= limit_ms else NOTHING)
