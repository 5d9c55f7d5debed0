"""Compile options, measured times and the latency table that is made of them."""

import math
from dataclasses import dataclass
from functools import cached_property

from compressor.errors import BorderError, InputError
from compressor.records.architecture import OpKey
from compressor.records.promise import Workload


@dataclass(frozen=True)
class CompileOptions:
    """How a runtime compiles a graph; a measured choice, never a constant.

    Attributes:
        threads: Intra-op threads.
        disabled_fusions: Names of the runtime's own fusions that are switched off.
        optimise: False for a graph that already went through the runtime's optimiser.
    """

    threads: int
    disabled_fusions: tuple[str, ...] = ()
    optimise: bool = True


@dataclass(frozen=True)
class Measured:
    """A measured time: its value, its standard error and the number of samples behind it, in microseconds."""

    value_us: float
    standard_error_us: float
    samples: int


@dataclass(frozen=True)
class TableEntry:
    """Cost of one op in a whole graph."""

    op: OpKey
    cost: Measured


@dataclass(frozen=True)
class LatencyTable:
    """Costs of the ops of a search space, and under which conditions they hold.

    Attributes:
        device: Key of the device's fingerprint.
        runtime: Name and version of the runtime.
        options: Compile options that all graphs were built with.
        workload: Shape at which they were measured.
        entries: One per op.
        disturbed_share: Share of the ops during whose measurement the machine was never quiet; their errors are wider.
    """

    device: str
    runtime: str
    options: CompileOptions
    workload: Workload
    entries: tuple[TableEntry, ...]
    disturbed_share: float = 0.0

    @cached_property
    def _index(self) -> dict[OpKey, Measured]:
        return {entry.op: entry.cost for entry in self.entries}

    def cost(self, op: OpKey) -> Measured:
        """Cost of an op.

        Raises:
            InputError: The table has no such op; a missing entry is never counted as zero.
        """
        found = self._index.get(op)
        if found is None:
            known = sorted({f"{e.op.kind}/{e.op.precision}" for e in self.entries})
            raise InputError(
                f"the latency table has no entry for `{op}`; it covers {', '.join(known)} at hidden "
                f"{sorted({e.op.hidden for e in self.entries})}: measure it (`--fresh` builds the table anew)"
            )
        return found


@dataclass(frozen=True)
class LatencySummary:
    """Percentiles of raw times, host inputs to host outputs, in milliseconds."""

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    samples: int
    processes: int
    disturbed_share: float | None = None


def check_table(table: LatencyTable) -> LatencyTable:
    """Border check: no op twice, every cost finite and not negative, with samples behind it."""
    if len({entry.op for entry in table.entries}) != len(table.entries):
        raise BorderError("the latency table has an op twice")
    for entry in table.entries:
        cost = entry.cost
        finite = math.isfinite(cost.value_us) and math.isfinite(cost.standard_error_us)
        if not finite or cost.value_us < 0 or cost.samples < 1:
            raise BorderError(f"the cost of `{entry.op}` must be finite, at least 0 and with samples, got {cost}")
    return table
