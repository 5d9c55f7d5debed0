"""A gate from end to end: two bundles in, every check and the verdict out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from compressor import __version__
from compressor.errors import InputError, UnavailableError
from compressor.gate import checks
from compressor.gate.facts import engine_facts
from compressor.gate.measuring import Progress, Side, fresh_pair, time_against_stored, time_pair
from compressor.profiles import fingerprint
from compressor.records.gate import (
    EngineFacts,
    GateCheck,
    GateLimits,
    GateResult,
    GateTimings,
    check_gate,
    combined,
)
from compressor.records.profile import DeviceFingerprint
from compressor.records.serial import load
from compressor.records.table_file import TableFile, check_table_file
from compressor.runtimes import Device
from compressor.tasks import get_metric, points
from compressor.verification import bundle_outputs, open_bundle_device, read_manifest
from compressor.verification.accuracy import verify_accuracy
from compressor.verification.latency import verify_latency


@dataclass(frozen=True)
class GateRequest:
    """What is compared.

    Attributes:
        base: Folder of a bundle, or the JSON of an earlier gate, whose head it is.
        head: Folder of a bundle.
        limits: What the head may not exceed.
        seconds: For the engines in turn; 0 = no clock at all.
        table: Latency tables of a target that need not be here (`compressor profile --export`); None = none.
        label: What the head is called in a history.
    """

    base: Path
    head: Path
    limits: GateLimits
    seconds: float = 60.0
    table: Path | None = None
    label: str = ""


# What the head is compared with: a bundle, or what an earlier gate stored of one.
Base = Side | GateResult


def gate(request: GateRequest, *, progress: Progress) -> GateResult:
    """Compare.

    Raises:
        InputError: A bundle that is none, that was changed, or that cannot be compared with the other.
        UnavailableError: The runtime of the bundle is not here.
    """
    base, head = _base(request.base), _side(request.head)
    before, facts = engine_facts(base) if isinstance(base, Side) else base.head, engine_facts(head)
    _check_comparable(before, facts)
    here, device = fingerprint(), open_bundle_device(head.manifest)
    timings, found = None, list(_predicted(request, base, head))
    if request.seconds > 0:
        timings, check = _timed(request, base, head, here, device, progress)
        found.append(check)
        found += _limit(head, device, request.limits.max_latency_ms)
    elif request.limits.max_latency_ms is not None and request.table is None:
        raise InputError("--max-latency: without a clock (--time 0s) only a table can predict it; give --table FILE")
    found += [_accuracy(base, head, device, request.limits), *checks.static_checks(before, facts, request.limits)]
    return check_gate(
        GateResult(
            version=__version__,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            label=request.label,
            device=here,
            runtime=device.runtime_of(head.manifest.options),
            max_regression=request.limits.max_regression,
            timings=timings,
            base=before,
            head=facts,
            checks=tuple(found),
            verdict=combined(tuple(found)),
        )
    )


def _side(folder: Path) -> Side:
    side = Side(folder, read_manifest(folder))
    if len(side.evaluation.tokens) == 0:
        raise InputError(f"{folder}: its evaluation data is empty, so nothing can be measured; export it again")
    return side


def _base(path: Path) -> Base:
    return load(GateResult, path) if path.is_file() else _side(path)


def _check_comparable(base: EngineFacts, head: EngineFacts) -> None:
    if base.workload != head.workload:
        raise InputError(
            f"expected both at one workload, found the base at {base.workload.in_words} and the head at "
            f"{head.workload.in_words}"
        )


def _timed(
    request: GateRequest, base: Base, head: Side, here: DeviceFingerprint, device: Device, progress: Progress
) -> tuple[GateTimings | None, GateCheck]:
    """The engines in turn; a stored base against what was measured of it, if that was on this very machine."""
    limits, seconds = request.limits, request.seconds
    if isinstance(base, Side):
        measure, allowed = fresh_pair(base.timed, head.timed), limits.max_regression
        timings = time_pair(measure, max_regression=allowed, seconds=seconds, progress=progress)
    else:
        if reasons := _elsewhere(base, here, device.runtime_of(head.manifest.options)):
            return None, checks.untimed_check(f"not compared, the base was measured elsewhere: {'; '.join(reasons)}")
        timings = time_against_stored(fresh_pair(head.timed, head.timed), base, seconds=seconds, progress=progress)
    return timings, checks.timed_check(timings, limits)


def _elsewhere(stored: GateResult, here: DeviceFingerprint, runtime: str) -> list[str]:
    """Why its times do not hold here."""
    reasons = [] if stored.timings else ["nothing was timed there"]
    if stored.runtime != runtime:
        reasons.append(f"runtime {runtime!r} here, {stored.runtime!r} there")
    now, then = here.comparable, stored.device.comparable
    return reasons + [f"{name} {now[name]!r} here, {then[name]!r} there" for name in now if now[name] != then[name]]


def _limit(head: Side, device: Device, max_latency_ms: float | None) -> Iterator[GateCheck]:
    if max_latency_ms is not None:
        budget = replace(head.manifest.budget, max_latency_ms=max_latency_ms)
        latency = verify_latency(device, head.timed.path, head.timed.feeds, head.timed.options, budget)
        yield checks.limit_check(latency, budget.percentile)


def _accuracy(base: Base, head: Side, device: Device, limits: GateLimits) -> GateCheck:
    """Through the head's engine; the base's from what is on record of its engine."""
    manifest, data = head.manifest, head.evaluation
    allowed = limits.max_accuracy_drop_points
    allowed = manifest.budget.max_accuracy_drop_points if allowed is None else allowed
    outputs, metric = bundle_outputs(head.folder, device, manifest, data.tokens), manifest.task.metric
    result = verify_accuracy(metric, data.teacher, outputs, data.targets, max_drop_points=allowed, seed=manifest.seed)
    before = None
    if isinstance(base, Side) and base.manifest.task.metric == metric:
        recorded = base.evaluation
        before = points(get_metric(metric)(recorded.engine, recorded.targets))
    return checks.accuracy_check(result, before, allowed)


def _predicted(request: GateRequest, base: Base, head: Side) -> Iterator[GateCheck]:
    """What the tables of a target say of both."""
    if request.table is None:
        return
    if not isinstance(base, Side):
        raise InputError("--table: expected a bundle as --base, found a stored result, whose shape no table can time")
    file = check_table_file(load(TableFile, request.table))
    first, second = (_predicted_us(file, request.table, side) for side in (base, head))
    yield checks.predicted_check(first, second, request.limits, f"{request.table.name} of {file.device.model}")


def _predicted_us(file: TableFile, path: Path, side: Side) -> float:
    try:
        from compressor.latency import estimate
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"--table needs {error.name}, which is not installed: pip install 'compressor[compress]'"
        ) from error
    manifest = side.manifest
    if manifest.architecture is None:
        raise InputError(f"--table: {side.folder} is of a family without an adapter, of which there are no tables")
    if manifest.kept:
        raise InputError(
            f"--table: {side.folder} has products in fp32 among its {manifest.precision}, which no table has"
        )
    for table in file.tables:
        wanted = (manifest.workload, manifest.precision, manifest.options.runtime)
        if (table.workload, table.precision, table.options.runtime) == wanted:
            return estimate(table, manifest.architecture).value_us
    raise InputError(
        f"--table: {path} has no table of {manifest.workload.in_words} in {manifest.precision} and "
        f"{manifest.options.runtime}; make one with `compressor profile --export`"
    )
