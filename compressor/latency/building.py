"""The latency table of a teacher's space: its ops measured, smoothed, and calibrated on a few whole models."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from compressor.latency.calibrating import WholeModel, calibrate, calibration_shapes, whole_of
from compressor.latency.candidates import measured_ops
from compressor.latency.measuring import Bench, OpProbe, extrapolated
from compressor.latency.smoothing import smooth
from compressor.profiles import last_level_cache_bytes
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions, LatencyTable, check_table
from compressor.records.promise import Workload
from compressor.runtimes.base import Device

METHOD = 6  # of measuring; a table that another method made is measured anew
# Rounds go on until a table has taken so long, or nothing is to be gained from more. Larger teachers are worth more.
SECONDS_PER_LAYER = 4.5
LAYERS_OF_CELLS = 4  # a table of cells is as much work as one of so many layers
LEAST_ROUNDS, MOST_ROUNDS = 2, 16
REFRESHING_VISITS = 3

Progress = Callable[[float, str], None]


def measure_table(
    device: Device,
    device_key: str,
    teacher: Architecture,
    precision: Precision,
    options: CompileOptions,
    workload: Workload,
    *,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure the table of one precision at one workload.

    Args:
        device: Where.
        device_key: Key of its fingerprint.
        teacher: Shape whose cuts are covered.
        precision: Of all products.
        options: Compile options of every graph.
        workload: Shape of the inputs.
        progress: Called with the share that is done, and what was measured last.
    """
    begin = time.monotonic()
    bench = Bench(device, teacher, options, workload)
    probes = [OpProbe(bench, op) for op in measured_ops(teacher, precision)]
    models = calibration_models(bench, precision)
    seconds = SECONDS_PER_LAYER * (len(teacher.layers) or LAYERS_OF_CELLS)
    _visit_in_rounds(probes, models, begin, seconds, progress or _nobody)
    speed = bench.disturbance.usual_us / bench.disturbance.reference_us
    table = LatencyTable(
        device=device_key,
        runtime=device.runtime_of(options),
        teacher=teacher,
        precision=precision,
        options=options,
        workload=workload,
        entries=smooth(extrapolated([probe.entry.scaled(speed) for probe in probes])),
        disturbed_share=sum(probe.disturbed for probe in probes) / len(probes),
        yardstick_us=bench.disturbance.usual_us,
    )
    table = refitted(table, models, speed=speed)
    return check_table(replace(table, seconds=time.monotonic() - begin))


def refreshed(device: Device, table: LatencyTable) -> LatencyTable:
    """A table that was measured at another time, as the machine is now: its whole models are timed again.

    The ops keep what they cost; how much of the caches is ours, and what surrounds the ops, changes by the hour.
    """
    bench = Bench(device, table.teacher, table.options, table.workload, table.yardstick_us)
    models = calibration_models(bench, table.precision)
    for _ in range(REFRESHING_VISITS):
        for model in models:
            model.visit()
    return check_table(refitted(table, models))


def calibration_models(bench: Bench, precision: Precision) -> list[WholeModel]:
    """The whole models of a table, built."""
    return [WholeModel.built(bench, shape, precision) for shape in calibration_shapes(bench.teacher, bench.workload)]


def refitted(table: LatencyTable, models: Sequence[WholeModel], *, speed: float = 1.0) -> LatencyTable:
    """The table with the calibration that these measured models give, their times taken `speed` times."""
    wholes = [whole_of(table, model.shape, model.measured.scaled(speed)) for model in models]
    return replace(table, calibration=calibrate(wholes, last_level_cache_bytes()))


def _visit_in_rounds(
    probes: Sequence[OpProbe], models: Sequence[WholeModel], begin: float, seconds: float, progress: Progress
) -> None:
    """Visit every op once in each round, and every model twice; `begin` is when the table was begun."""
    half = len(probes) // 2
    for count in range(MOST_ROUNDS):
        round_begin = time.monotonic()
        for part in (probes[:half], probes[half:]):
            for model in models:
                model.visit()
            for probe in part:
                probe.visit()
                progress(_share_done(count, begin, seconds), str(probe.op))
        now = time.monotonic()
        if count + 1 < LEAST_ROUNDS:
            continue
        if now + (now - round_begin) > begin + seconds or all(probe.precise for probe in probes):
            break
    progress(1.0, "whole models")


def _share_done(rounds: int, begin: float, seconds: float) -> float:
    return min(rounds / LEAST_ROUNDS, (time.monotonic() - begin) / seconds, 0.99)


def _nobody(share: float, name: str) -> None:
    """Nobody wants to know."""
