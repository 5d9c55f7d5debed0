"""What a run measured on the way to its report, as far as a reader wants to see it."""

from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.bench import BatchLatency, LengthLatency

TRAINING = "training"  # name in the journal of a run


@dataclass(frozen=True)
class TrialPoint:
    """An architecture that was built and timed before any training.

    Attributes:
        shape: Heads and neurons of each layer, in words.
        predicted_ms: Median by the table, as it was calibrated then.
        measured_ms: Median.
    """

    shape: str
    predicted_ms: float
    measured_ms: float


@dataclass(frozen=True)
class PartCost:
    """What a part of the engine takes by the calibrated table, in microseconds."""

    name: str
    cost_us: float


@dataclass(frozen=True)
class CostCurve:
    """Cost of an op against its width, as measured.

    Attributes:
        name: Of the op, in words.
        unit: Of the width.
        widths: Rising.
        costs_us: With weights in the caches.
        errors_us: Standard errors.
    """

    name: str
    unit: str
    widths: tuple[int, ...]
    costs_us: tuple[float, ...]
    errors_us: tuple[float, ...]


@dataclass(frozen=True)
class TrainingCurve:
    """One training.

    Attributes:
        student: Whose.
        steps: Rising; those of which a loss was reported, about one a second.
        losses: Mean over the rows of that step.
    """

    student: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """Beside the report.

    Attributes:
        lower_bound_ms: The smallest student's promised percentile: nothing below is feasible; None = not known.
        trials: In the order in which they were built; empty where nothing was cut.
        parts: Of the engine, in the order in which it runs; empty where there is no table.
        curves: Of the table; empty likewise.
        trainings: In the order in which they were run.
        lengths: The engine on rows as long as they are, in buckets of rising length.
        batches: The engine on several rows at once.
    """

    lower_bound_ms: float | None = None
    trials: tuple[TrialPoint, ...] = ()
    parts: tuple[PartCost, ...] = ()
    curves: tuple[CostCurve, ...] = ()
    trainings: tuple[TrainingCurve, ...] = ()
    lengths: tuple[LengthLatency, ...] = ()
    batches: tuple[BatchLatency, ...] = ()


def check_evidence(evidence: Evidence) -> Evidence:
    """Border check: curves have a cost and an error for every width, trainings a loss for every step."""
    for curve in evidence.curves:
        if not len(curve.widths) == len(curve.costs_us) == len(curve.errors_us) > 0:
            raise BorderError(f"the curve of {curve.name} needs a cost and an error for every width, and a width")
    for training in evidence.trainings:
        if len(training.steps) != len(training.losses) or list(training.steps) != sorted(set(training.steps)):
            raise BorderError(f"the training of {training.student} needs a loss for every step, and steps that rise")
    return evidence
