"""Compile options, measured times and the latency table that is made of them."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from compressor.errors import BorderError, InputError
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.promise import Workload


@dataclass(frozen=True)
class CompileOptions:
    """How a runtime compiles a graph; a measured choice, never a constant.

    Attributes:
        threads: Intra-op threads.
        disabled_fusions: Names of the runtime's own fusions that are switched off.
        optimise: False for a graph that already went through the runtime's optimiser.
        runtime: Which of the target's runtimes.
        shapes: [batch, length] of the inputs that the engine is compiled for, by runtimes that want to know them.
        pad_id: Token id that shorter inputs are filled up with to the next of these shapes.
    """

    threads: int
    disabled_fusions: tuple[str, ...] = ()
    optimise: bool = True
    runtime: str = "onnxruntime"
    shapes: tuple[tuple[int, int], ...] = ()
    pad_id: int = 0


@dataclass(frozen=True)
class Measured:
    """A measured time: its value, its standard error and the number of samples behind it, in microseconds."""

    value_us: float
    standard_error_us: float
    samples: int

    def scaled(self, factor: float) -> "Measured":
        """The same at another speed."""
        return Measured(factor * self.value_us, factor * self.standard_error_us, self.samples)


@dataclass(frozen=True)
class TableEntry:
    """Cost of one op in a whole graph.

    Attributes:
        op: The op.
        cached: When its weights are in the processor's caches, as in a small model that runs again and again.
        uncached: When they come from main memory, as in a model that is larger than the caches.
        weight_bytes: Of its constants, which decide with those of the other ops which of the two it is.
    """

    op: OpKey
    cached: Measured
    uncached: Measured
    weight_bytes: int

    def scaled(self, factor: float) -> "TableEntry":
        """The same at another speed."""
        return replace(self, cached=self.cached.scaled(factor), uncached=self.uncached.scaled(factor))

    def cost(self, uncached_share: float) -> Measured:
        """Cost when this share of the weights comes from main memory, in [0, 1]."""
        return mixed(self.cached, self.uncached, uncached_share)


@dataclass(frozen=True)
class Calibration:
    """What whole models say about their ops: measured = scale x sum of (cost(uncached_share) + overhead).

    Attributes:
        scale: Measured over summed.
        overhead_us: What an op costs in a whole model beyond its cost between copies of itself; negative = it costs
            less.
        cache_bytes: Weights that stay in the processor's caches from one run to the next; None = those of any model.
        error_share: Standard deviation of measured over predicted, of the models that it was fitted to.
        models: How many these were; 0 = not calibrated.
    """

    scale: float = 1.0
    overhead_us: float = 0.0
    cache_bytes: float | None = None
    error_share: float = 0.0
    models: int = 0

    def uncached_share(self, weight_bytes: float) -> float:
        """Share of the weights that come from main memory, of a model with so many bytes of them: 1 - cache / weights.

        A run reads all weights once and in the same order. A cache that dropped what was used longest ago would keep
        none of a larger model; those of today's processors keep as much as they hold.
        """
        if self.cache_bytes is None or weight_bytes <= self.cache_bytes:
            return 0.0
        return 1.0 - self.cache_bytes / weight_bytes


TableSource = Literal["measured", "estimated"]


@dataclass(frozen=True)
class LatencyTable:
    """Costs of the ops of a search space in one precision, and under which conditions they hold.

    Attributes:
        device: Key of the device's fingerprint; of an estimated table the name of its profile.
        runtime: Name and version of the runtime.
        teacher: Shape whose cuts are covered.
        precision: Of all ops.
        options: Compile options that all graphs were built with.
        workload: Shape at which they were measured.
        entries: One per measured op; widths between two of them are interpolated.
        calibration: From whole models.
        source: Estimated tables come from data sheets and are never taken for measured ones.
        disturbed_share: Share of the ops during whose measurement the machine was never quiet; their errors are wider.
        yardstick_us: What the yardstick took at the speed that the costs hold for; 0 = estimated, or not corrected.
        seconds: What building it took.
    """

    device: str
    runtime: str
    teacher: Architecture
    precision: Precision
    options: CompileOptions
    workload: Workload
    entries: tuple[TableEntry, ...]
    calibration: Calibration = Calibration()
    source: TableSource = "measured"
    disturbed_share: float = 0.0
    yardstick_us: float = 0.0
    seconds: float = 0.0

    @cached_property
    def _families(self) -> dict[OpKey, list[TableEntry]]:
        """Entries that differ in the width alone, by rising width."""
        families: dict[OpKey, list[TableEntry]] = {}
        for entry in sorted(self.entries, key=lambda entry: entry.op.width):
            families.setdefault(replace(entry.op, width=0), []).append(entry)
        return families

    def entry(self, op: OpKey) -> TableEntry:
        """The entry of an op, interpolated between the nearest measured widths where it was not measured itself.

        Linear, so as monotone as the measured costs; the error grows by an eighth of the step in the middle.

        Raises:
            InputError: The table does not cover the op; a missing entry is never counted as zero.
        """
        family = self._families.get(replace(op, width=0), [])
        widths = [entry.op.width for entry in family]
        at = bisect_left(widths, op.width)
        if at < len(widths) and widths[at] == op.width:
            return family[at]
        if not 0 < at < len(widths):
            raise InputError(f"the latency table has no entry for `{op}`; {self._covered(op)}: measure it (`--fresh`)")
        return _between(family[at - 1], family[at], op)

    def cost(self, op: OpKey, uncached_share: float) -> Measured:
        """What an op adds to a whole model, but for the scale, when this share of the weights comes from main memory.

        Raises:
            InputError: The table does not cover the op.
        """
        cost = self.entry(op).cost(uncached_share)
        return replace(cost, value_us=max(0.0, cost.value_us + self.calibration.overhead_us))

    def _covered(self, op: OpKey) -> str:
        """What it has instead, in words."""
        family = self._families.get(replace(op, width=0))
        if family:
            return f"it covers widths {family[0].op.width} to {family[-1].op.width} of this op"
        known = sorted({f"{e.op.kind}/{e.op.precision}" for e in self.entries})
        return f"it covers {', '.join(known)} at hidden {sorted({e.op.hidden for e in self.entries})}"


def mixed(low: Measured, high: Measured, share: float) -> Measured:
    """`low` and `high` weighted with 1 - share and share, in [0, 1]; their errors are independent."""
    return Measured(
        (1 - share) * low.value_us + share * high.value_us,
        math.hypot((1 - share) * low.standard_error_us, share * high.standard_error_us),
        min(low.samples, high.samples),
    )


def _between(low: TableEntry, high: TableEntry, op: OpKey) -> TableEntry:
    share = (op.width - low.op.width) / (high.op.width - low.op.width)

    def at(a: Measured, b: Measured) -> Measured:
        cost = mixed(a, b, share)
        unknown = share * (1 - share) / 2 * abs(b.value_us - a.value_us)
        return replace(cost, standard_error_us=math.hypot(cost.standard_error_us, unknown))

    weights = round((1 - share) * low.weight_bytes + share * high.weight_bytes)
    return TableEntry(op, at(low.cached, high.cached), at(low.uncached, high.uncached), weights)


@dataclass(frozen=True)
class LatencySummary:
    """Percentiles of raw times, host inputs to host outputs, in milliseconds.

    Attributes:
        p50_ms: Median.
        p90_ms: 90th percentile.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        samples: Runs.
        processes: Fresh processes that they were measured in.
        disturbed_share: Share of the measured time in which the yardstick was slower than on the quiet machine, in
            [0, 1]; nothing was dropped or corrected for it. None = no yardstick was run.
        p50_standard_error_ms: Of the median, from the spread between processes and half seconds. None = not known.
    """

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    samples: int
    processes: int
    disturbed_share: float | None = None
    p50_standard_error_ms: float | None = None


def check_table(table: LatencyTable) -> LatencyTable:
    """Border check: no op twice, every cost finite and not negative, with samples behind it; a sane calibration."""
    if len({entry.op for entry in table.entries}) != len(table.entries):
        raise BorderError("the latency table has an op twice")
    for entry in table.entries:
        for cost in (entry.cached, entry.uncached):
            times = (cost.value_us, cost.standard_error_us)
            if not all(math.isfinite(time) and time >= 0 for time in times) or cost.samples < 1:
                raise BorderError(f"the cost of `{entry.op}` must be finite, at least 0 and with samples, got {cost}")
    calibration = table.calibration
    if calibration.scale <= 0 or (calibration.cache_bytes or 0) < 0 or not math.isfinite(calibration.overhead_us):
        raise BorderError(
            f"the calibration of a latency table must be positive, its overhead finite, got {calibration}"
        )
    return table
