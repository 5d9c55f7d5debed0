"""What `compressor gate` compares of two bundles, and what it came to."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from compressor.errors import BorderError, InputError
from compressor.records.profile import DeviceFingerprint
from compressor.records.promise import Workload
from compressor.records.task import TaskSpec


class GateVerdict(StrEnum):
    """What a check, or all of them together, came to.

    Inconclusive is what noise left open, and may be counted as something else; unmeasured is what was not compared at
    all, and stays so.
    """

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True)
class GateLimits:
    """What a head may not exceed.

    Attributes:
        max_regression: Share by which it may be slower than the base, or, where nothing is timed, take more
            operations: 0.05 for 5 %.
        max_latency_ms: As in a promise; None = as long as it is no regression.
        max_accuracy_drop_points: Below its teacher; None = the smaller of what the two bundles promise.
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
    """What can be said of a bundle without a clock; what has a default may be missing in the result of an old gate.

    Attributes:
        engine_digest: SHA-256 of the engine.
        architecture: Heads and neurons of each layer, in words, with a digest of the whole shape; None = its family
            has no adapter.
        precision: Of the matrix products.
        workload: Shape of the latency promise.
        operations: Multiplications and additions of all products at the workload, by the type of their operands.
        nodes: Kind of node -> how many the engine has, behind the runtime's optimiser.
        bytes: Of engine and tokenizer.
        runtime: Name of what runs the engine; None = not known.
        kept: Names of the products that stay in float32.
        int8_blocks: Sub-layer -> share of its products with a constant that are in int8, in [0, 1]; empty = not known.
        task: What it answers; None = not known.
        teacher_digest: Of the teacher that it was made of; None = not known.
        data_digest: Of the data that it was judged on; None = not known.
        max_accuracy_drop_points: That its bundle promises; None = not known.
    """

    engine_digest: str
    architecture: str | None
    precision: str
    workload: Workload
    operations: dict[str, int]
    nodes: dict[str, int]
    bytes: int
    runtime: str | None = None
    kept: tuple[str, ...] = ()
    int8_blocks: dict[str, float] = field(default_factory=dict)
    task: TaskSpec | None = None
    teacher_digest: str | None = None
    data_digest: str | None = None
    max_accuracy_drop_points: float | None = None


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


@dataclass(frozen=True)
class HistoryLine:
    """A gate in a history of gates, one line of its file.

    Attributes:
        date: When, in ISO 8601.
        label: What the head is called; empty = nothing.
        verdict: Of all checks.
        device: Its model.
        base_ms: Median of the base; this and the next four are None where nothing was timed.
        head_ms: Median of the head.
        ratio: Head over base.
        low: Lower bound of the ratio; None with too few processes too.
        high: Upper bound, likewise.
        operations: Multiplications and additions of the head's products.
        bytes: Of the head's engine and tokenizer.
    """

    date: str
    label: str
    verdict: GateVerdict
    device: str
    base_ms: float | None
    head_ms: float | None
    ratio: float | None
    low: float | None
    high: float | None
    operations: int
    bytes: int


def combined(checks: tuple[GateCheck, ...]) -> GateVerdict:
    """One that fails decides, then one that was not measured, then one that is inconclusive."""
    verdicts = {check.verdict for check in checks}
    for verdict in (GateVerdict.FAIL, GateVerdict.UNMEASURED, GateVerdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return GateVerdict.PASS


def settled(result: GateResult, counts_as: GateVerdict) -> GateResult:
    """The result with this verdict for every check that noise left open, so that all of its forms say the same.

    What was not measured stays unmeasured.
    """
    if counts_as is GateVerdict.INCONCLUSIVE:
        return result
    checks = tuple(
        replace(check, verdict=counts_as, note=f"inconclusive, counts as {counts_as} (--inconclusive): {check.note}")
        if check.verdict is GateVerdict.INCONCLUSIVE
        else check
        for check in result.checks
    )
    return check_gate(replace(result, checks=checks, verdict=combined(checks)))


def check_gate(result: GateResult) -> GateResult:
    """Border check: a gate that compared nothing is no pass."""
    if all(check.verdict is None for check in result.checks):
        raise BorderError("a gate without a single check that could fail would always be green")
    if result.verdict is not combined(result.checks):
        raise BorderError(f"the verdict {result.verdict} is not that of the checks")
    return result
