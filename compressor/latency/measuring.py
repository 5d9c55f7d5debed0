"""The cost of an op by differential timing.

    cost in a visit = median over rounds of (time of a graph with many copies - time with few) / (many - few)

The difference removes what both graphs share (the call of the runtime, input and output); taking it within a round
removes drift. The stem is the exception: it is the whole model without layers, timed as it is.

Each op is timed twice: with its weights in the caches, and after everything was pushed out of them. The second is up
to three times the first, and a model that is larger than the caches runs at the second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray

from compressor.encoder import Encoder
from compressor.latency.disturbance import Disturbance
from compressor.latency.ops import stem_op
from compressor.latency.probes import op_graph, stem_graph, weight_bytes
from compressor.latency.visits import Visits
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Layer, OpKey, Precision
from compressor.records.cells import Cells, Edge
from compressor.records.latency import CompileOptions, Measured, TableEntry
from compressor.records.promise import Workload
from compressor.runtimes.base import Device, Feeds
from compressor.runtimes.timing import Subject, Timings, engine_subject, time_interleaved

FEW, MANY = 2, 6
FEW_LARGE, MANY_LARGE = 1, 3
LARGE_BYTES = 2**20  # a copy's weights from here on: six copies of it would not stay in the caches
# Copies of an op with more weights than this leave the caches that hold the rest: see `extrapolated`.
CACHED_BYTES = 4 * 2**20
TARGET_ERROR = 0.008
CACHED_SECONDS, EVICTED_SECONDS = 0.025, 0.06  # of one visit
MIN_ROUNDS, MAX_ROUNDS = 6, 20
WARM_UP_SECONDS = 0.01
TEAM_PART = 4
LONG_RUN_NS = 2_000_000  # from here on the first runs of a burst tell as much as the others
POSITIONS = 16  # different inputs of a stem, whose time includes looking up their embeddings


@dataclass(frozen=True)
class Bench:
    """Where and how ops are measured.

    Attributes:
        device: Where.
        teacher: Shape that is cut.
        options: Compile options.
        workload: Shape of the inputs.
        yardstick_us: Time of the yardstick at the speed that times are corrected to, of a table that they are compared
            with; 0 = the speed at the begin.
    """

    device: Device
    teacher: Architecture
    options: CompileOptions
    workload: Workload
    yardstick_us: float = 0.0

    @cached_property
    def disturbance(self) -> Disturbance:
        """What is known of the machine from all ops so far."""
        return Disturbance(self.device, reference_us=self.yardstick_us, team=self._team())

    def _team(self) -> Subject | None:
        """A model of two narrow layers, which the distance of the cores slows down as it does all others."""
        if self.options.threads == 1:
            return None
        shape = _team_shape(self.teacher)
        model = apply_precision(Encoder(shape).eval().emit(), Precision.INT8)
        return self.subject(model, op_feeds(shape, stem_op(shape, Precision.INT8), self.workload))

    def subject(self, model: onnx.ModelProto, feeds: Sequence[Feeds]) -> Subject:
        """A call that runs a model."""
        return engine_subject(self.device.compile(model.SerializeToString(), self.options), feeds)


def _team_shape(teacher: Architecture) -> Architecture:
    if not teacher.layers:
        products = ((Edge(0, "attention-4"),), (Edge(1, "conv-3"),))
        return replace(teacher, cells=Cells(products, 1, None if teacher.per_token else "first-token"))
    full = teacher.layers[0]
    narrow = Layer(math.ceil(full.heads / TEAM_PART), math.ceil(full.neurons / TEAM_PART))
    return teacher.with_layers((narrow, narrow))


class OpProbe:
    """An op that is timed in visits, with cached and with uncached weights.

    Args:
        bench: Where it is measured.
        op: Which.
    """

    def __init__(self, bench: Bench, op: OpKey) -> None:
        self.op = op
        self._bench = bench
        self._subjects, self._copies, self._bytes = _subjects(bench, op)
        self._cached, self._uncached = Visits(bench.disturbance), Visits(bench.disturbance)

    def visit(self) -> None:
        """Time it for a moment; a moment that was disturbed is repeated."""
        self._visit(self._uncached, evict=True)
        if self._bytes <= CACHED_BYTES:
            self._visit(self._cached, evict=False)

    @property
    def disturbed(self) -> bool:
        """The machine was not quiet in any visit."""
        return self._uncached.disturbed

    @property
    def entry(self) -> TableEntry:
        """Its cost after at least one visit."""
        uncached = self._uncached.measured
        cached = self._cached.measured if self._bytes <= CACHED_BYTES else uncached
        return TableEntry(self.op, not_negative(cached), not_negative(uncached), self._bytes)

    @property
    def precise(self) -> bool:
        """Nothing is to be gained from more visits."""
        costs = (self.entry.cached, self.entry.uncached)
        return all(cost.standard_error_us <= TARGET_ERROR * cost.value_us for cost in costs)

    @cached_property
    def _long(self) -> bool:
        begin = self._bench.device.clock()
        self._subjects["many"]()
        return self._bench.device.clock() - begin >= LONG_RUN_NS

    def _visit(self, visits: Visits, *, evict: bool) -> None:
        device = self._bench.device

        def take() -> Timings:
            return time_interleaved(
                self._subjects,
                clock=device.clock,
                seconds=EVICTED_SECONDS if evict else CACHED_SECONDS,
                yardstick=device.yardstick,
                burst=1 if self._long or evict else 3,
                min_rounds=MIN_ROUNDS,
                max_rounds=MAX_ROUNDS,
                evict=device.evict if evict else None,
                warm_up_seconds=WARM_UP_SECONDS,
                threads=self._bench.options.threads,
            )

        visits.take(take, lambda timings: _per_copy(timings, self._copies))


def not_negative(cost: Measured) -> Measured:
    """A difference of two times may be below 0 by chance; a cost is not."""
    return replace(cost, value_us=max(cost.value_us, 0.0))


def _subjects(bench: Bench, op: OpKey) -> tuple[dict[str, Subject], int, int]:
    """What is timed for an op, the copies that the difference stands for, and the bytes of one copy's weights."""
    feeds = op_feeds(bench.teacher, op, bench.workload)
    if op.kind == "stem":
        model = stem_graph(bench.teacher, op)
        return {"many": bench.subject(model, feeds)}, 1, weight_bytes(model)
    size = weight_bytes(op_graph(bench.teacher, op, 1))
    few, many = (FEW_LARGE, MANY_LARGE) if size >= LARGE_BYTES else (FEW, MANY)
    copies = {"few": few, "many": many}
    subjects = {name: bench.subject(op_graph(bench.teacher, op, count), feeds) for name, count in copies.items()}
    return subjects, many - few, size


def op_feeds(teacher: Architecture, op: OpKey, workload: Workload) -> list[Feeds]:
    """Inputs of the probe graphs of an op."""
    random = np.random.default_rng(0)
    rows = (workload.batch, workload.sequence_length)
    mask = np.ones(rows, dtype=np.int64)
    if op.kind == "stem":
        ids = random.integers(0, teacher.vocabulary, size=(POSITIONS, *rows))
        return [{"input_ids": i, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)} for i in ids]
    length = 1 if op.kind == "feed_forward" and op.first_token else workload.sequence_length
    size = (MANY, workload.batch, length, teacher.hidden)
    hidden = {f"hidden{i}": x for i, x in enumerate(random.standard_normal(size).astype(np.float32))}
    return [{**hidden, "attention_mask": mask}]


def extrapolated(entries: Sequence[TableEntry]) -> tuple[TableEntry, ...]:
    """Cached costs of the widths whose copies do not fit into the caches, from the two widest that do.

    They are products that the arithmetic bounds, so linear in the width; and models with such an op are larger than
    the caches, so next to nothing of the value is ever used. Its error is the step from the widest measured one.
    """
    result = []
    for entry in entries:
        if entry.weight_bytes <= CACHED_BYTES or entry.op.kind == "stem":
            result.append(entry)
            continue
        family = [e for e in entries if replace(e.op, width=entry.op.width) == entry.op]
        fitting = sorted((e for e in family if e.weight_bytes <= CACHED_BYTES), key=lambda e: e.op.width)
        result.append(_beyond(fitting[-2:], entry) if len(fitting) > 1 else entry)
    return tuple(result)


def _beyond(fitting: Sequence[TableEntry], entry: TableEntry) -> TableEntry:
    low, high = fitting
    slope = (high.cached.value_us - low.cached.value_us) / (high.op.width - low.op.width)
    value = min(high.cached.value_us + slope * (entry.op.width - high.op.width), entry.uncached.value_us)
    return replace(entry, cached=Measured(value, abs(value - high.cached.value_us), high.cached.samples))


def _per_copy(timings: Timings, copies: int) -> NDArray[np.float64]:
    """Cost of one copy in each round, in microseconds."""
    difference = timings.per_round("many")
    if "few" in timings.samples:
        difference = difference - timings.per_round("few")
    return difference / copies
