"""The latency table of a teacher's space: its ops measured, smoothed, and calibrated on a few whole models."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from compressor.latency.calibrating import WholeModel, calibrate, calibration_shapes, whole_of
from compressor.latency.candidates import measured_ops
from compressor.latency.measuring import Bench, extrapolated, measure_op
from compressor.latency.smoothing import smooth
from compressor.profiles import last_level_cache_bytes
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions, LatencyTable, TableEntry, check_table
from compressor.records.promise import Workload
from compressor.runtimes.base import Device

VISITS = 4  # of each whole model, spread over the time of the table
METHOD = 2  # of measuring; a table that another method made is measured anew

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
    ops = measured_ops(teacher, precision)
    models = [WholeModel.built(bench, shape, precision) for shape in calibration_shapes(teacher, workload)]
    visits = {round(share * len(ops)) for share in np.linspace(0, 1, VISITS)}
    entries: list[TableEntry] = []
    for count in range(len(ops) + 1):
        if count in visits:
            for model in models:
                model.visit()
        if count < len(ops):
            entries.append(measure_op(bench, ops[count]))
        if progress is not None:
            progress((count + 1) / (len(ops) + 1), str(ops[count]) if count < len(ops) else "whole models")
    speed = bench.disturbance.usual_us / bench.disturbance.reference_us
    table = LatencyTable(
        device=device_key,
        runtime=device.runtime,
        teacher=teacher,
        precision=precision,
        options=options,
        workload=workload,
        entries=smooth(extrapolated([entry.scaled(speed) for entry in entries])),
        disturbed_share=bench.disturbance.share,
        yardstick_us=bench.disturbance.usual_us,
    )
    wholes = [whole_of(table, model.shape, model.measured.scaled(speed)) for model in models]
    calibration = calibrate(wholes, last_level_cache_bytes())
    return check_table(replace(table, calibration=calibration, seconds=time.monotonic() - begin))
