"""Latency tables with made-up costs, for tests that need no device."""

from collections.abc import Mapping

from compressor.records.architecture import Architecture, OpKey
from compressor.records.latency import CompileOptions, LatencyTable, Measured, TableEntry
from compressor.records.promise import Workload


def table_of(teacher: Architecture, costs: Mapping[OpKey, Measured]) -> LatencyTable:
    """A table with these costs, whether the weights are cached or not."""
    entries = tuple(TableEntry(op, cost, cost, 0) for op, cost in costs.items())
    precision = entries[0].op.precision
    return LatencyTable("device", "fake 1", teacher, precision, CompileOptions(1), Workload(1, 8, 1), entries)
