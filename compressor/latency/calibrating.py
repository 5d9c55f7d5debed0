"""What whole models say about a table of ops: a factor, what each op costs besides, and the weights kept in caches.

    measured = scale x sum over ops of (cost(share) + overhead),   share = max(0, 1 - cache / weights)

A few random architectures over the whole range of latencies are built, and timed several times while the ops are
measured: on a shared machine neighbours take more or less of the last cache from one ten seconds to the next. For each
size of a grid the best scale and overhead are linear least squares; the size with the least squared relative error is
taken. Where the models do not tell sizes apart, a weak prior draws them towards half of the last cache.

The overhead is little on one thread. On several it is what the threads need to meet, which changes with the distance
of their cores from one ten seconds to the next, while the arithmetic takes what it always takes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from compressor.encoder import Encoder
from compressor.latency.estimating import model_bytes, summed
from compressor.latency.measuring import Bench, op_feeds
from compressor.latency.ops import operations, stem_op
from compressor.latency.visits import Visits
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.latency import Calibration, LatencyTable, Measured
from compressor.records.promise import Workload
from compressor.runtimes.base import Feeds
from compressor.runtimes.timing import Subject, Timings, time_interleaved
from compressor.space import sample_architecture
from compressor.space.cells import random_cells

MODELS = 10
SMALLEST_SHARE = 0.05  # of the teacher's latency
MOST_CELLS = 6
SEED = 20261121
SECONDS = 0.04  # of one visit
BURST, MIN_ROUNDS, MAX_ROUNDS = 2, 2, 20
WARM_UP_SECONDS = 0.02
SIZES = np.geomspace(1 / 16, 4, 49)  # tried, as shares of the last cache
EXPECTED_SIZE = 0.5
# Standard deviations of the priors: of the scale, of the overhead as a share of a usual op, of the size's logarithm.
SCALE_SPREAD, OVERHEAD_SPREAD, SIZE_SPREAD = 0.1, 0.05, 1.0
ERROR_FLOOR = 0.03  # of one model: by that they differ from any sum of ops, however well they are measured
# For the choice of architectures alone, which has to come before anything is measured.
ROUGH_PRODUCTS_PER_US, ROUGH_OP_US = 5e4, 8.0


@dataclass(frozen=True)
class Whole:
    """A whole model that was measured.

    Attributes:
        cached_us: Sum of its ops' costs with all weights in the caches, no overhead.
        uncached_us: The same with all weights from main memory.
        weight_bytes: Of the weights that a run reads.
        ops: How many it runs.
        measured_us: What it takes.
        error_share: Standard error of that, as a share: models whose visits differ say less.
    """

    cached_us: float
    uncached_us: float
    weight_bytes: float
    ops: int
    measured_us: float
    error_share: float = 0.0


class WholeModel:
    """A model that is timed in visits.

    Args:
        bench: Where it is measured.
        shape: Its architecture.
        subject: Runs it once.
    """

    def __init__(self, bench: Bench, shape: Architecture, subject: Subject) -> None:
        self.shape = shape
        self._bench = bench
        self._subject = subject
        self._visits = Visits(bench.disturbance)

    @classmethod
    def built(cls, bench: Bench, shape: Architecture, precision: Precision) -> "WholeModel":
        """With random weights, through the emitter and the precision pass."""
        model = apply_precision(Encoder(shape).eval().emit(), precision)
        return cls(bench, shape, bench.subject(model, whole_feeds(bench, shape, precision)))

    def visit(self, seconds: float = SECONDS) -> None:
        """Time it for a moment; a moment that was disturbed is repeated."""
        device = self._bench.device

        def take() -> Timings:
            return time_interleaved(
                {"model": self._subject},
                clock=device.clock,
                seconds=seconds,
                yardstick=device.yardstick,
                burst=BURST,
                min_rounds=MIN_ROUNDS,
                max_rounds=MAX_ROUNDS,
                warm_up_seconds=WARM_UP_SECONDS,
            )

        self._visits.take(take, lambda timings: timings.per_round("model"))

    @property
    def measured(self) -> Measured:
        """After at least one visit."""
        return self._visits.measured


def whole_feeds(bench: Bench, shape: Architecture, precision: Precision) -> list[Feeds]:
    """Inputs of a whole model."""
    return op_feeds(shape, stem_op(shape, precision), bench.workload)


def calibration_shapes(
    teacher: Architecture, workload: Workload, *, models: int = MODELS, seed: int = SEED
) -> tuple[Architecture, ...]:
    """Random architectures whose latencies lie evenly on a logarithmic scale, from 5 to 100 % of the teacher's.

    Of a space of cells: random stacks of one cell to some.
    """
    random = np.random.default_rng(seed)
    if not teacher.layers:
        heights = np.linspace(1, MOST_CELLS, models).round().astype(int)
        drawn = [random_cells(random, stacked=int(height), per_token=teacher.per_token) for height in heights]
        return tuple(replace(teacher, cells=cells) for cells in drawn)

    def cost(shape: Architecture) -> float:
        return rough_us(shape, workload)

    goals = cost(teacher) * np.geomspace(SMALLEST_SHARE, 1.0, models)
    return tuple(sample_architecture(teacher, cost, goal, random) for goal in goals)


def rough_us(shape: Architecture, workload: Workload) -> float:
    """A guess from the number of products, good enough to spread architectures over a range."""
    rows = workload.batch * workload.sequence_length

    def products(op: OpKey) -> float:
        if op.kind == "feed_forward":
            return 2 * op.hidden * op.width * (workload.batch if op.first_token else rows)
        if op.kind == "attention":
            inner = op.width * op.head_size
            return inner * rows * (2 * op.hidden if op.first_token else 4 * op.hidden + 2 * workload.sequence_length)
        return op.hidden**2 * workload.batch

    ops = operations(shape, Precision.FP32)
    return sum(products(op) for op in ops) / ROUGH_PRODUCTS_PER_US + ROUGH_OP_US * len(ops)


def calibrate(wholes: Sequence[Whole], cache_bytes: int) -> Calibration:
    """Fit scale, overhead and size.

    Args:
        wholes: At least one measured model.
        cache_bytes: Of the last cache.
    """
    fits = [_fit_at(wholes, Calibration(cache_bytes=float(s * cache_bytes), models=len(wholes))) for s in SIZES]
    distances = np.log(SIZES / EXPECTED_SIZE) / SIZE_SPREAD
    losses = np.array([loss for loss, _ in fits]) + distances**2
    return fits[int(losses.argmin())][1]


def _fit_at(wholes: Sequence[Whole], size: Calibration) -> tuple[float, Calibration]:
    """The loss, and the calibration with the best scale and overhead at a given size."""
    measured = np.array([whole.measured_us for whole in wholes])
    shares = np.array([size.uncached_share(whole.weight_bytes) for whole in wholes])
    cached, uncached = (np.array([w.cached_us for w in wholes]), np.array([w.uncached_us for w in wholes]))
    ops = np.array([whole.ops for whole in wholes])
    usual_op_us = float(np.median(measured / ops))
    # Least squares of (scale x ratio + overheads x crowding - 1) / error, (scale - 1) / SCALE_SPREAD and
    # overheads / OVERHEAD_SPREAD, where overheads = scale x overhead / usual op.
    ratio = (cached + shares * (uncached - cached)) / measured
    crowding = ops * usual_op_us / measured
    errors = np.sqrt(ERROR_FLOOR**2 + np.array([whole.error_share for whole in wholes]) ** 2)
    priors = np.diag([1 / SCALE_SPREAD, 1 / OVERHEAD_SPREAD])
    rows = np.vstack([np.column_stack([ratio, crowding]) / errors[:, None], priors])
    wanted = np.concatenate([1 / errors, [1 / SCALE_SPREAD, 0.0]])
    scale, overheads = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    squares = (scale * ratio + overheads * crowding - 1) ** 2
    found = replace(
        size,
        scale=float(scale),
        overhead_us=float(overheads / scale) * usual_op_us,
        error_share=math.sqrt(float(squares.sum()) / max(1, len(wholes) - 3)),
    )
    return float(((rows @ [scale, overheads] - wanted) ** 2).sum()), found


def whole_of(table: LatencyTable, shape: Architecture, measured: Measured) -> Whole:
    """What the calibration needs of a measured model."""
    bare = replace(table, calibration=Calibration())
    cached, uncached = (summed(bare, shape, share).value_us for share in (0.0, 1.0))
    error_share = measured.standard_error_us / measured.value_us
    ops = len(operations(shape, table.precision))
    return Whole(cached, uncached, model_bytes(table, shape), ops, measured.value_us, error_share)
