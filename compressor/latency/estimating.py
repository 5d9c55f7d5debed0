"""Predicted latency of an architecture: the sum of its ops' costs, corrected by what whole models really took."""

import math
from dataclasses import replace

from compressor.latency.ops import operations
from compressor.records.architecture import Architecture
from compressor.records.latency import LatencyTable, Measured


def model_bytes(table: LatencyTable, shape: Architecture) -> int:
    """Bytes of the weights that one run of an architecture reads."""
    return sum(table.entry(op).weight_bytes for op in operations(shape, table.precision))


def summed(table: LatencyTable, shape: Architecture, uncached_share: float) -> Measured:
    """Sum of the ops' costs in microseconds, but for the scale, when this share of the weights comes from main memory.

    Raises:
        InputError: An op of the architecture is not in the table.
    """
    costs = [table.cost(op, uncached_share) for op in operations(shape, table.precision)]
    error = math.sqrt(sum(cost.standard_error_us**2 for cost in costs))
    return Measured(sum(cost.value_us for cost in costs), error, min(cost.samples for cost in costs))


def estimate(table: LatencyTable, shape: Architecture) -> Measured:
    """Median latency in microseconds.

    The standard error has the errors of the entries and that of the calibration.

    Raises:
        InputError: An op of the architecture is not in the table.
    """
    calibration = table.calibration
    total = summed(table, shape, calibration.uncached_share(model_bytes(table, shape)))
    value = calibration.scale * total.value_us
    error = math.hypot(calibration.scale * total.standard_error_us, calibration.error_share * value)
    return Measured(value, error, total.samples)


def recalibrated(table: LatencyTable, predicted_us: float, measured_us: float) -> LatencyTable:
    """The table under which the last prediction would have been right."""
    scale = table.calibration.scale * measured_us / predicted_us
    return replace(table, calibration=replace(table.calibration, scale=scale))
