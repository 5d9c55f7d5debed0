"""Predicted latency of an architecture: the sum of its ops' costs, corrected by what whole models really took."""

import math
from dataclasses import dataclass

from compressor.latency.ops import operations
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import LatencyTable, Measured


@dataclass(frozen=True)
class Calibration:
    """measured = scale x sum of entries; the scale comes from the whole models measured so far."""

    scale: float = 1.0

    def updated(self, predicted_us: float, measured_us: float) -> "Calibration":
        """The scale under which the last prediction would have been right."""
        return Calibration(self.scale * measured_us / predicted_us)


def estimate(
    table: LatencyTable, shape: Architecture, precision: Precision, calibration: Calibration | None = None
) -> Measured:
    """Median latency in microseconds with the standard error that the entries imply.

    Raises:
        InputError: An op of the architecture is not in the table.
    """
    scale = (calibration or Calibration()).scale
    costs = [table.cost(op) for op in operations(shape, precision)]
    error = math.sqrt(sum(cost.standard_error_us**2 for cost in costs))
    return Measured(scale * sum(cost.value_us for cost in costs), scale * error, min(cost.samples for cost in costs))
