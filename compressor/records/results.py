"""What was measured on an engine, what was promised of it, and the report that says both."""

from dataclasses import dataclass
from typing import Literal

from compressor.errors import BorderError
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Budget, Reason, Verdict, Workload
from compressor.records.task import TaskSpec

# Largest difference of a logit between two runs of one graph: other kernels add and round in another order. fp32: a
# hundred times what random masked batches showed in the contract tests. int8: one value that rounds the other way
# moves a logit by about 1e-3 of its range; well below what moves the accuracy of a classifier.
TOLERANCE = {Precision.FP32: 1e-3, Precision.INT8: 0.25, Precision.INT8_STATIC: 0.25}


@dataclass(frozen=True)
class Histogram:
    """How often runs took how long.

    Attributes:
        edges_ms: Ends of the bins, rising; one more than there are bins.
        counts: Runs in each.
        beyond: Slower runs than the last end.
    """

    edges_ms: tuple[float, ...]
    counts: tuple[int, ...]
    beyond: int


@dataclass(frozen=True)
class LatencyResult:
    """The latency promise, decided by exact statistics on raw times.

    Attributes:
        summary: Percentiles of all runs that were counted.
        limit_ms: The promise; None = nothing was promised.
        share_within: Share of runs that took at most the limit.
        share_low: Lower bound of that share, one-sided: Clopper-Pearson on effective runs. Each of up to three looks
            at the runs has a third of the chance of an error, so that all of them together hold at 99 % confidence.
        share_high: The upper bound.
        effective_runs: Independent runs that the measured ones, which depend on each other, are worth for `share_low`.
        repeats: How often the measurement was repeated because it was inconclusive.
        seconds: Time measured in all.
        verdict: Met, missed, inconclusive; unverified where the promise is about another device.
        histogram: Of all runs; None = of an older version.
    """

    summary: LatencySummary
    limit_ms: float | None
    share_within: float
    share_low: float
    share_high: float
    effective_runs: float
    repeats: int
    seconds: float
    verdict: Verdict
    histogram: Histogram | None = None


@dataclass(frozen=True)
class AccuracyResult:
    """The accuracy promise on the evaluation split, in points (100 x metric).

    Attributes:
        metric: Its name.
        points: Of the engine.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        drop_points: Teacher minus engine.
        drop_low: Lower end of the paired 95 % bootstrap interval of the drop.
        drop_high: Upper end.
        agreement: Share of rows (or words) on which engine and teacher predict the same class; None for regression.
        rows: Size of the evaluation split.
        verdict: Of the promise; the point estimate decides.
    """

    metric: str
    points: float
    low: float
    high: float
    drop_points: float
    drop_low: float
    drop_high: float
    agreement: float | None
    rows: int
    verdict: Verdict


@dataclass(frozen=True)
class NumericsResult:
    """Largest difference of the logits on real samples: emitted fp32 graph against torch, engine against that graph.

    The second has no tolerance for int8 (rounding is part of the candidate and is judged by the accuracy); a
    re-run of a bundle compares with the outputs that were recorded and must reproduce them.
    """

    emitted_difference: float
    emitted_tolerance: float
    engine_difference: float
    rows: int
    verdict: Verdict


@dataclass(frozen=True)
class SizeResult:
    """Bytes of the engine and the tokenizer as shipped."""

    engine_bytes: int
    tokenizer_bytes: int
    verdict: Verdict


@dataclass(frozen=True)
class Verification:
    """All promises on the exported files."""

    latency: LatencyResult
    accuracy: AccuracyResult
    numerics: NumericsResult
    size: SizeResult
    verdict: Verdict
    reasons: tuple[Reason, ...]


# Names of the rows that every report has, where they could be measured.
EAGER, COMPILED = "teacher, eager PyTorch", "teacher, fp32 compiled"
ROW_NAMES = {Precision.FP32: COMPILED, Precision.INT8: "teacher, int8", Precision.INT8_STATIC: "teacher, int8 static"}


@dataclass(frozen=True)
class Row:
    """One line of the closing table: a model, measured in the same way as the others."""

    name: str
    accuracy_points: float
    accuracy_low: float
    accuracy_high: float
    p50_ms: float
    p95_ms: float
    size_bytes: int


@dataclass(frozen=True)
class StageTime:
    """Wall time of one stage of the pipeline, in seconds; `cached` = taken from an earlier run."""

    stage: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Report:
    """Everything a run found out, for people and machines.

    `architecture` and `teacher_layers` are None and empty where the teacher's family has no adapter; `kept` are the
    that asked for it, empty in a report of an older version; `distill` is the recipe of losses as it was asked for,
    None = none was.
    """

    version: str
    date: str
    teacher: str
    data: str
    target: str
    device: str
    cores: int
    task: TaskSpec
    budget: Budget
    workload: Workload
    chosen: str
    precision: Precision
    architecture: Architecture | None
    teacher_layers: tuple[Layer, ...]
    options: CompileOptions
    predicted_ms: float | None
    rows: tuple[Row, ...]
    verification: Verification
    lengths: dict[str, float]
    stages: tuple[StageTime, ...]
    evaluation_reads: int
    seed: int
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    distill: DistillRecipe | None = None

    @property
    def shipped(self) -> Row:
        """The row of what ships."""
        return next(row for row in self.rows if row.name == self.chosen)

    @property
    def precision_in_words(self) -> str:
        """`int8`, `int8 but for 3 products in fp32`."""
        return f"{self.precision} but for {len(self.kept)} products in fp32" if self.kept else str(self.precision)

    def precision_of(self, layer: int, part: Literal["attention", "feed_forward"]) -> Precision:
        """Of the products of a sub-layer; layers count from 0, as in the names of products."""
        prefix = f"layer{layer}.{part}."
        return Precision.FP32 if any(name.startswith(prefix) for name in self.kept) else self.precision

    @property
    def speed_up(self) -> float | None:
        """Median of the compiled fp32 teacher over the engine's; None where that teacher was not measured."""
        return self.speed_up_over(COMPILED)

    def speed_up_over(self, name: str) -> float | None:
        """Median of a row over the engine's median; None where there is no such row."""
        other = next((row.p50_ms for row in self.rows if row.name == name), None)
        return None if other is None else other / self.verification.latency.summary.p50_ms


@dataclass(frozen=True)
class Manifest:
    """What is in a bundle and where its numbers hold.

    Attributes:
        version: Of compressor.
        files: Relative path -> SHA-256 of every other file of the bundle.
        engine: Path of the target's engine, relative to the bundle.
        inputs: Names of the graph's inputs, in order.
        runtime: Name and version that the engine was compiled with.
        options: Compile options of the engine as it must be loaded.
        device: Key of the device's fingerprint.
        device_model: The device in words.
        workload: Shape of the latency promise.
        budget: The promises.
        task: Labels, columns and metric.
        teacher_digest: Hash of the teacher's weights and config.
        data_digest: Hash of the data that was read.
        precision: Of the matrix products.
        architecture: Of the student, or of the teacher where it ships; None = its family has no adapter.
        max_length: Longest input that the engine takes.
        pad_id: Token id of padding.
        emitted_difference: Largest logit difference of the emitted fp32 graph from the torch student.
        seed: Of everything random.
        kept: Names of the products that stay in float32.
        distill: The losses that the student was trained with, every weight and parameter given; None = the default
            loss, or an unpruned teacher.
    """

    version: str
    files: dict[str, str]
    engine: str
    inputs: tuple[str, ...]
    runtime: str
    options: CompileOptions
    device: str
    device_model: str
    workload: Workload
    budget: Budget
    task: TaskSpec
    teacher_digest: str
    data_digest: str
    precision: Precision
    architecture: Architecture | None
    max_length: int
    pad_id: int
    emitted_difference: float
    seed: int
    kept: tuple[str, ...] = ()
    distill: DistillRecipe | None = None


def check_verification(verification: Verification) -> Verification:
    """Border check: a verdict of `met` has no reasons, any other has at least one."""
    if (verification.verdict is Verdict.MET) != (not verification.reasons):
        raise BorderError(
            f"a verdict is `met` exactly when there are no reasons, got {verification.verdict} with "
            f"{verification.reasons}"
        )
    return verification
