"""What `compressor gate` compares of two bundles, and what it came to."""

from dataclasses import dataclass
from enum import StrEnum

from compressor.errors import BorderError, InputError
from compressor.records.profile import DeviceFingerprint
from compressor.records.promise import Workload


class GateVerdict(StrEnum):
    """What a check, or all of them together, came to."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class GateLimits:
    """What a head may not exceed.

    Attributes:
        max_regression: Share by which it may be slower than the base, or take more operations: 0.05 for 5 %.
        max_latency_ms: As in a promise; None = as long as it is no regression.
        max_accuracy_drop_points: Below its teacher; None = what its own bundle promises.
        max_size_bytes: Of engine and tokenizer; None = any.
    """

    max_regression: float = 0.05
    max_latency_ms: float | None = None
    max_accuracy_drop_points: float | None = None
    max_size_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse a regression that is none."""
        if not self.max_regression >= 0:
            raise InputError(f"--max-regression: expected at least 0%, got {100 * self.max_regression:g}%")


@dataclass(frozen=True)
class Ratio:
    """How many times as long one engine takes as another; the bounds are None with too few processes.

    Attributes:
        value: Point estimate.
        low: Lower bound, one-sided.
        high: Upper bound, one-sided.
        processes: Fresh processes that it was measured in.
    """

    value: float
    low: float | None
    high: float | None
    processes: int


@dataclass(frozen=True)
class GateTimings:
    """The two engines in turn, and the base against a second copy of itself.

    Attributes:
        ratio: Head over base.
        noise: Base over base: what this machine makes of equal engines.
        base_ms: Median of the base.
        head_ms: Median of the head.
        process_ms: Median of the head in each process.
        seconds: That measuring took, the start of processes included.
        stored_base: The base is a stored result, of another time.
    """

    ratio: Ratio
    noise: Ratio
    base_ms: float
    head_ms: float
    process_ms: tuple[float, ...]
    seconds: float
    stored_base: bool = False


@dataclass(frozen=True)
class EngineFacts:
    """What can be said of a bundle without a clock.

    Attributes:
        engine_digest: SHA-256 of the engine.
        architecture: Heads and neurons of each layer, in words, with a digest of the whole shape; None = its family
            has no adapter.
        precision: Of the matrix products.
        workload: Shape of the latency promise.
        operations: Multiplications and additions of all products at the workload, by the type of their operands.
        nodes: Kind of node -> how many the engine has, behind the runtime's optimiser.
        bytes: Of engine and tokenizer.
    """

    engine_digest: str
    architecture: str | None
    precision: str
    workload: Workload
    operations: dict[str, int]
    nodes: dict[str, int]
    bytes: int


@dataclass(frozen=True)
class GateCheck:
    """One line of the verdict.

    Attributes:
        name: What was compared.
        base: Of the base, in words.
        head: Of the head.
        limit: What is allowed, in words; empty = nothing was asked.
        verdict: None = for information only.
        note: Why, in words.
    """

    name: str
    base: str
    head: str
    limit: str
    verdict: GateVerdict | None
    note: str = ""


@dataclass(frozen=True)
class GateResult:
    """Everything a gate found out; a later gate may take its head as base.

    Attributes:
        version: Of compressor.
        date: When, in ISO 8601.
        label: What the head is called, such as a commit.
        device: Where.
        runtime: Name and version of what ran the engines.
        max_regression: That was allowed, as a share: 0.05 for 5 %.
        timings: None = nothing was timed.
        base: Facts of the base.
        head: Facts of the head.
        checks: In the order in which they are shown.
        verdict: Of all checks.
    """

    version: str
    date: str
    label: str
    device: DeviceFingerprint
    runtime: str
    max_regression: float
    timings: GateTimings | None
    base: EngineFacts
    head: EngineFacts
    checks: tuple[GateCheck, ...]
    verdict: GateVerdict


def combined(checks: tuple[GateCheck, ...]) -> GateVerdict:
    """One that fails decides, then one that is inconclusive."""
    verdicts = {check.verdict for check in checks}
    for verdict in (GateVerdict.FAIL, GateVerdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return GateVerdict.PASS


def check_gate(result: GateResult) -> GateResult:
    """Border check: a gate that compared nothing is no pass."""
    if all(check.verdict is None for check in result.checks):
        raise BorderError("a gate without a single check that could fail would always be green")
    if result.verdict is not combined(result.checks):
        raise BorderError(f"the verdict {result.verdict} is not that of the checks")
    return result
