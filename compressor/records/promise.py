"""What is promised (workload and budget) and what became of it (verdict and its reasons).

A promise about latency is decided by at most `LOOKS` looks, each at all runs measured so far, of which the first that
decides ends the measuring. For all of them together to be wrong in 1 % of the cases at most, each has a third of that
(Bonferroni). A look proves a promise of q where no run was slow and

    runs >= ln(1 - LOOK_CONFIDENCE) / ln(q),   of which there is one per UNSEEN_BURST_SECONDS
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from compressor.errors import ExitCode, InputError

DEFAULT_DROP_POINTS = 1.0

LOOKS = 3
LOOK_CONFIDENCE = 1 - 0.01 / LOOKS
# Bursts of this mean length may exist though none was met: where slow runs are promised to be rare, a stretch as long
# as this counts as one run at most. A machine that is slow for 6 % of the time, in bursts of 0.4 s, shows none of them
# in one of 33 measurements of 5 x 4 s, which the data alone would take for proof of a quiet machine.
UNSEEN_BURST_SECONDS = 0.2
# A look has a tenth more than it needs, for a few slow runs; and an end.
LOOK_ROOM, LONGEST_LOOK_SECONDS = 1.1, 300.0
# What a look of that length proves, rounded down to a tenth.
HIGHEST_PERCENTILE = (
    math.floor(1000 * (1 - LOOK_CONFIDENCE) ** (LOOK_ROOM * UNSEEN_BURST_SECONDS / LONGEST_LOOK_SECONDS)) / 10
)


def look_seconds(percentile: float) -> float:
    """Seconds of a look that can prove a promise of that percentile: 24 for 95, 125 for 99."""
    runs = math.log(1 - LOOK_CONFIDENCE) / math.log(percentile / 100)
    return LOOK_ROOM * UNSEEN_BURST_SECONDS * runs


class Verdict(StrEnum):
    """Outcome of a promise, in the words of docs/design.md."""

    MET = "met"
    MISSED = "missed"
    INCONCLUSIVE = "inconclusive"
    UNVERIFIED = "unverified"


class Reason(StrEnum):
    """The closed list of reasons for a verdict that is not `met`."""

    LATENCY_OVER_LIMIT = "latency over the limit"
    LATENCY_UNDECIDED = "latency too noisy to decide"
    LATENCY_NOT_ON_DEVICE = "latency not measured on the device"
    ACCURACY_OVER_BUDGET = "accuracy drop over the budget"
    SIZE_OVER_LIMIT = "size over the limit"
    NUMERICS_DIVERGE = "outputs differ from those on record"


@dataclass(frozen=True)
class Workload:
    """The shape at which latency is promised.

    `Workload(batch=1, sequence_length=32, threads=1)`: int64 inputs of shape [1, 32], one thread.
    """

    batch: int
    sequence_length: int
    threads: int

    def __post_init__(self) -> None:
        """Refuse shapes that no engine could run."""
        for name in ("batch", "sequence_length", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')}: expected at least 1, got {getattr(self, name)}")

    @property
    def in_words(self) -> str:
        """`batch 1, length 32, 1 thread(s)`."""
        return f"batch {self.batch}, length {self.sequence_length}, {self.threads} thread(s)"


def check_length(length: int, longest: int) -> None:
    """Refuse a sequence length that the teacher cannot take.

    Raises:
        InputError: It is longer than `longest`, in tokens.
    """
    if length > longest:
        raise InputError(f"--sequence-length: expected at most {longest}, the teacher's longest, got {length}")


@dataclass(frozen=True)
class Budget:
    """What must be kept. Latency: at least `percentile` % of runs take at most `max_latency_ms`.

    Attributes:
        max_latency_ms: None = the fastest engine within the accuracy budget is sought.
        percentile: Share of runs within the limit, in percent; at most `HIGHEST_PERCENTILE`.
        max_accuracy_drop_points: Points (100 x metric) below the teacher, on the evaluation split.
        max_size_bytes: Engine and tokenizer as shipped; None = no limit.
    """

    max_latency_ms: float | None = None
    percentile: float = 95.0
    max_accuracy_drop_points: float = DEFAULT_DROP_POINTS
    max_size_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse budgets that mean nothing."""
        if self.max_latency_ms is not None and not self.max_latency_ms > 0:
            raise InputError(f"--max-latency: expected more than zero, got {self.max_latency_ms:g} ms")
        if self.max_size_bytes is not None and self.max_size_bytes < 1:
            raise InputError(f"--max-size: expected more than zero, got {self.max_size_bytes} bytes")
        if not 50 <= self.percentile <= HIGHEST_PERCENTILE:
            raise InputError(
                f"--percentile: expected 50 to {HIGHEST_PERCENTILE:g}, the most that a measurement of "
                f"{LONGEST_LOOK_SECONDS / 60:g} minutes can prove, got {self.percentile:g}"
            )
        if not 0 <= self.max_accuracy_drop_points <= 100:
            raise InputError(
                f"--max-accuracy-drop: expected points between 0 and 100, got {self.max_accuracy_drop_points:g}"
            )


def combine(verdicts: list[Verdict]) -> Verdict:
    """The verdict on several promises: one that is missed decides, then unverified, then inconclusive."""
    for verdict in (Verdict.MISSED, Verdict.UNVERIFIED, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.MET


def exit_code(verdict: Verdict) -> ExitCode:
    """How a command ends that came to this verdict."""
    codes = {
        Verdict.MET: ExitCode.MET,
        Verdict.MISSED: ExitCode.MISSED,
        Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
        Verdict.UNVERIFIED: ExitCode.UNAVAILABLE,
    }
    return codes[verdict]
