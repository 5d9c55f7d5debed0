"""Outputs of the stages of a run; what is big is a file in the run folder and named here."""

import math
from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.architecture import Architecture, Cut, Layer, Precision
from compressor.records.bench import BatchLatency, LengthLatency
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Workload
from compressor.records.results import ROW_NAMES, Row
from compressor.records.task import TaskSpec

# int8 in whatever way has nearly the same size.
LIKE_THE_SMALLEST = 1.1


@dataclass(frozen=True)
class Prepared:
    """Data read and tokenised, workload fixed, impossible limits refused.

    Attributes:
        task: Columns, labels, metric, evaluation split.
        workload: Where the latency promise holds.
        lengths: Token lengths of the evaluation split, and the share that is longer than the workload.
        rows: Rows of the training, selection and evaluation part.
        lower_bound_ms: Measured percentile of the smallest student; None = the teacher cannot be cut.
        notes: What the user should know about the data.
    """

    task: TaskSpec
    workload: Workload
    lengths: dict[str, float]
    rows: dict[str, int]
    lower_bound_ms: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rung:
    """The teacher at one precision with its fastest compile options.

    Attributes:
        precision: Of its products.
        options: The fastest of the variants that were measured.
        latency: In a fresh process.
        drop_points: Below the fp32 teacher, on the selection split.
        size_bytes: Model and tokenizer.
        keeps_latency: The measured share within the limit is at least the promised one.
        keeps_accuracy: The drop is within the budget.
        keeps_size: Model and tokenizer are.
        kept: Names of the products that stay in float32, where all in int8 would lose too much.
    """

    precision: Precision
    options: CompileOptions
    latency: LatencySummary
    drop_points: float
    size_bytes: int
    keeps_latency: bool
    keeps_accuracy: bool
    keeps_size: bool
    kept: tuple[str, ...] = ()

    @property
    def tail(self) -> float:
        """p95 / p50."""
        return self.latency.p95_ms / self.latency.p50_ms

    @property
    def name(self) -> str:
        """For people: `teacher, int8`."""
        mixed = f", {len(self.kept)} products in fp32" if self.kept else ""
        return ROW_NAMES[self.precision] + mixed


@dataclass(frozen=True)
class Ladder:
    """All rungs.

    Attributes:
        rungs: The least invasive first; behind a precision that loses too much, the same with products put back.
        small: There is a limit on the size, so students run in a precision of the fewest bytes.
    """

    rungs: tuple[Rung, ...]
    small: bool = False

    @property
    def fastest(self) -> Rung:
        """The rung with the lowest median: all products of a student run in its precision, with its options."""
        pure = [rung for rung in self.rungs if not rung.kept]
        most = LIKE_THE_SMALLEST * min(rung.size_bytes for rung in pure) if self.small else math.inf
        return min((rung for rung in pure if rung.size_bytes <= most), key=lambda rung: rung.latency.p50_ms)


@dataclass(frozen=True)
class Labels:
    """The teacher's logits on the training part: `logits.npy`, float32 [rows, classes]."""

    rows: int
    classes: int


@dataclass(frozen=True)
class Source:
    """A trained network that is cut in the place of the teacher: `student{tag}.safetensors`.

    Attributes:
        tag: Of its files in the run folder.
        architecture: Its own.
        root: Of the uncut network that it comes from, whose widths are the levels of a search and whose ops a table
            holds: the teacher, or the network that `--start` names.
    """

    tag: str
    architecture: Architecture
    root: Architecture


@dataclass(frozen=True)
class Confirmed:
    """An architecture whose latency was measured, not only predicted.

    Attributes:
        source: What was cut; None = the teacher.
        widths: Per layer of what was cut; 0 = gone.
        cut: Units that are kept.
        architecture: Of the student.
        damage: Summed damage of the cuts.
        predicted_ms: Median that the calibrated table predicts.
        latency: Measured in a fresh process, with inherited weights.
        rounds: Architectures that were built and measured until this one.
        calibration: Scale of the table at the end.
        table: Tag of the table that its ops are in.
    """

    source: Source | None
    widths: tuple[Layer, ...]
    cut: Cut
    architecture: Architecture
    damage: float
    predicted_ms: float
    latency: LatencySummary
    rounds: int
    calibration: float
    table: str = ""


@dataclass(frozen=True)
class Finalists:
    """Architectures that keep a limit, each found by another search; the first is that of the search that was wanted.

    Attributes:
        names: Of the searches.
        students: What they found, no architecture of a source twice.
    """

    names: tuple[str, ...]
    students: tuple[Confirmed, ...]


@dataclass(frozen=True)
class Raced:
    """Which finalist is trained.

    Attributes:
        winner: Its index.
        divergences: From the teacher's answers on the selection part, after the race; empty = there was none.
    """

    winner: int
    divergences: tuple[float, ...]


@dataclass(frozen=True)
class Distilled:
    """A trained student: `student.safetensors`.

    Attributes:
        steps: Optimiser steps.
        examples_per_second: Measured before the training, the number that the steps were chosen by.
        drop_points: Below the teacher on the selection split, engine against fp32 teacher.
    """

    steps: int
    examples_per_second: float
    drop_points: float


@dataclass(frozen=True)
class Candidate:
    """What may be exported: a model, its precision and how it was reached.

    Attributes:
        name: "teacher fp32", "teacher int8" or "student".
        tag: Of its files in the run folder.
        precision: Of the products.
        options: Compile options.
        student: The confirmed student; None = the unpruned teacher.
        kept: Names of the products that stay in float32.
    """

    name: str
    tag: str
    precision: Precision
    options: CompileOptions
    student: Confirmed | None = None
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Measured right after the engine.

    Attributes:
        rows: Of the closing table: the teacher as users know it.
        lengths: The engine on rows of the evaluation data as long as they are.
        batches: The engine on several rows at once.
        notes: Why no more was done to the teacher than was.
    """

    rows: tuple[Row, ...]
    lengths: tuple[LengthLatency, ...] = ()
    batches: tuple[BatchLatency, ...] = ()
    notes: tuple[str, ...] = ()


def check_prepared(prepared: Prepared) -> Prepared:
    """Border check: every part has rows."""
    if set(prepared.rows) != {"train", "selection", "evaluation"} or min(prepared.rows.values()) < 1:
        raise BorderError(f"expected rows for training, selection and evaluation, got {prepared.rows}")
    return prepared


def check_ladder(ladder: Ladder) -> Ladder:
    """Border check: at least one rung, no precision twice, but for one with products put back."""
    names = [f"{rung.precision}{', mixed' if rung.kept else ''}" for rung in ladder.rungs]
    if all(rung.kept for rung in ladder.rungs) or len(set(names)) != len(names):
        raise BorderError(f"expected one rung per precision, got {names}")
    return ladder


def check_confirmed(confirmed: Confirmed) -> Confirmed:
    """Border check: cut, widths and architecture say the same."""
    kept = tuple(layer for layer in confirmed.widths if layer.heads or layer.neurons)
    if confirmed.cut.widths() != confirmed.widths or confirmed.architecture.layers != kept:
        raise BorderError("cut, widths and architecture of a confirmed student differ")
    return confirmed


def check_finalists(finalists: Finalists) -> Finalists:
    """Border check: at least one, a name for each, no architecture of a source twice."""
    shapes = {(student.source, student.architecture) for student in finalists.students}
    if not finalists.students or {len(finalists.names), len(shapes)} != {len(finalists.students)}:
        raise BorderError(f"expected distinct finalists with a name each, got {finalists.names}")
    for student in finalists.students:
        check_confirmed(student)
    return finalists


def check_raced(raced: Raced, finalists: Finalists) -> Raced:
    """Border check: the winner is one of them, and a race has a result for each."""
    if not 0 <= raced.winner < len(finalists.students) or len(raced.divergences) not in (0, len(finalists.students)):
        raise BorderError(f"expected a winner of {len(finalists.students)} finalists, got {raced}")
    return raced
