"""What `compressor bench` measures of a bundle; every time is from host inputs to host outputs unless it says else."""

from collections.abc import Sequence
from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.profile import DeviceFingerprint
from compressor.records.promise import Workload

SHARE_ERROR = 1e-6  # of sums of shares


@dataclass(frozen=True)
class Percentile:
    """One percentile of the latency, with bounds, each one-sided; None where there are too few runs to say.

    Clopper-Pearson on effective runs, since runs in a burst or a process depend on each other.
    """

    percent: float
    value_ms: float
    low_ms: float | None
    high_ms: float | None


@dataclass(frozen=True)
class Latency:
    """The engine at the workload of its promise.

    Attributes:
        percentiles: p50, p90, p95 and p99.
        confidence: Of each bound, in [0, 1].
        rows_per_s: Throughput of consecutive runs.
        samples: Runs.
        processes: Fresh processes that they were measured in.
        disturbed_share: Share of the time in which the machine was not quiet, in [0, 1]; no run was left out.
    """

    percentiles: tuple[Percentile, ...]
    confidence: float
    rows_per_s: float
    samples: int
    processes: int
    disturbed_share: float


@dataclass(frozen=True)
class LengthLatency:
    """Rows of the evaluation data of similar length, one at a time.

    Attributes:
        shortest: Tokens of the shortest row.
        longest: Of the longest.
        share: Of all rows, in [0, 1].
        p50_ms: Median over the rows, without padding.
        p95_ms: 95th percentile, likewise.
        padded_p50_ms: Median of the same rows, padded to the longest.
    """

    shortest: int
    longest: int
    share: float
    p50_ms: float
    p95_ms: float
    padded_p50_ms: float


@dataclass(frozen=True)
class BatchLatency:
    """A batch at the length of the workload."""

    batch: int
    p50_ms: float
    p95_ms: float
    rows_per_s: float


@dataclass(frozen=True)
class ColdStart:
    """Medians over fresh processes, by the host's clock, with the disk's caches warm.

    Attributes:
        start_to_answer_s: From the start of the process to its first answer to a text.
        load_s: Of that, loading the bundle: hashes, engine, tokenizer.
        processes: How many were started.
    """

    start_to_answer_s: float
    load_s: float
    processes: int


@dataclass(frozen=True)
class Tokenisation:
    """Text to token ids, by the host's clock; part of no other time."""

    p50_us: float
    p95_us: float
    samples: int


@dataclass(frozen=True)
class BenchResult:
    """Everything that was measured of a bundle, where, and what makes that machine less steady than it could be."""

    device: DeviceFingerprint
    runtime: str
    workload: Workload
    latency: Latency
    lengths: tuple[LengthLatency, ...]
    batches: tuple[BatchLatency, ...]
    cold_start: ColdStart
    tokenisation: Tokenisation
    notes: tuple[str, ...]


def share_left_out(lengths: Sequence[LengthLatency]) -> float:
    """Share of the rows that are longer than all that were timed, in [0, 1]: a series ends where runs take too long.

    Args:
        lengths: A series from the shortest rows on.
    """
    left = 1 - sum(part.share for part in lengths)
    return left if left > SHARE_ERROR else 0.0


def check_bench(result: BenchResult) -> BenchResult:
    """Border check: bounds enclose their percentile, and the lengths are of rows that are counted once."""
    for found in result.latency.percentiles:
        low, high = found.low_ms, found.high_ms
        if (low is not None and low > found.value_ms) or (high is not None and high < found.value_ms):
            raise BorderError(f"the bounds of a percentile must enclose it, got {found}")
    if not 0 < sum(part.share for part in result.lengths) <= 1 + SHARE_ERROR:
        shares = [part.share for part in result.lengths]
        raise BorderError(f"the shares of the lengths must add up to more than 0 and at most 1, got {shares}")
    return result
