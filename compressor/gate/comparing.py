"""A gate from end to end: two bundles in, every check and the verdict out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from compressor import __version__
from compressor.errors import InputError, UnavailableError
from compressor.gate import checks
from compressor.gate.facts import engine_facts
from compressor.gate.measuring import Side, fresh_pair, time_against_stored, time_pair
from compressor.gate.predicting import predicted_checks
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
from compressor.records.observer import Observer
from compressor.records.profile import DeviceFingerprint
from compressor.records.serial import load
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


def gate(request: GateRequest, *, observer: Observer) -> GateResult:
    """Compare.

    Args:
        request: What, and within which limits.
        observer: Hears what takes seconds: reading, timing in turn, timing the head alone, answering.

    Raises:
        InputError: A bundle that is none, that was changed, or that cannot be compared with the other.
        UnavailableError: The runtime of the bundle is not here, or as many cores as its engine has threads.
    """
    with _stage(observer, "read", "read the files of both"):
        base, head = _base(request.base), _side(request.head)
        before, facts = engine_facts(base) if isinstance(base, Side) else base.head, engine_facts(head)
    _check_comparable(before, facts)
    here, device = fingerprint(), open_bundle_device(head.manifest)
    timings, found = None, list(_predicted(request, base, head))
    if request.seconds > 0:
        _check_cores(base, head, here)
        timings, check = _timed(request, base, head, here, device, observer)
        found.append(check)
        found += _limit(head, device, request.limits.max_latency_ms, observer)
    elif request.limits.max_latency_ms is not None and request.table is None:
        raise InputError("--max-latency: without a clock (--time 0s) only a table can predict it; give --table FILE")
    timed = timings is not None and timings.ratio.low is not None
    allowed = _allowed_drop(request.limits, before, head.manifest.budget.max_accuracy_drop_points)
    accuracy = _accuracy(base, head, allowed, device, observer)
    found.append(checks.of_one_teacher(accuracy, before, facts))
    found += checks.static_checks(before, facts, request.limits, timed=timed)
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
    """Refuse engines that do not do the same thing; an old result does not say what its engine did."""
    if base.workload != head.workload:
        raise InputError(
            f"expected both at one workload, found the base at {base.workload.in_words} and the head at "
            f"{head.workload.in_words}"
        )
    if base.task is None or head.task is None:
        return
    for name, before, now in (
        ("task", base.task.kind, head.task.kind),
        ("metric", base.task.metric, head.task.metric),
        ("labels", ", ".join(base.task.label_names), ", ".join(head.task.label_names)),
    ):
        if before != now:
            raise InputError(
                f"expected both for one task, found the base with the {name} {before!r} and the head with {now!r}; "
                "give two bundles of one task"
            )


def _check_cores(base: Base, head: Side, here: DeviceFingerprint) -> None:
    """Refuse, before a process is started, engines whose threads cannot run at once here."""
    for side in (base, head):
        if isinstance(side, Side) and side.manifest.options.threads > here.usable_cores:
            threads = side.manifest.options.threads
            raise UnavailableError(
                f"{side.folder}: its engine has {threads} threads, and this process may use {here.usable_cores} "
                f"cores: gate on a machine where it may use {threads} (affinity, cgroup quota), or compare only what "
                "needs no clock, with --time 0s"
            )


@contextmanager
def _stage(observer: Observer, name: str, text: str) -> Iterator[None]:
    observer.begin(name, text)
    begin = time.monotonic()
    yield
    observer.end(name, time.monotonic() - begin, cached=False)


def _timed(
    request: GateRequest, base: Base, head: Side, here: DeviceFingerprint, device: Device, observer: Observer
) -> tuple[GateTimings | None, GateCheck]:
    """The engines in turn; a stored base against what was measured of it, if that was on this very machine."""
    limits, seconds = request.limits, request.seconds
    if isinstance(base, Side):
        with _stage(observer, "gate", "time base and head in turn, in fresh processes"):
            measure, allowed = fresh_pair(base.timed, head.timed), limits.max_regression
            timings = time_pair(measure, max_regression=allowed, seconds=seconds, observer=observer)
        return timings, checks.timed_check(timings, limits)
    if reasons := _elsewhere(base, here, device.runtime_of(head.manifest.options)):
        return None, checks.untimed_check(f"not compared, the base was measured elsewhere: {'; '.join(reasons)}")
    with _stage(observer, "gate", "time the head in fresh processes, for the stored base"):
        measure = fresh_pair(head.timed, head.timed)
        timings = time_against_stored(measure, base, seconds=seconds, observer=observer)
    return timings, checks.timed_check(timings, limits)


def _elsewhere(stored: GateResult, here: DeviceFingerprint, runtime: str) -> list[str]:
    """Why its times do not hold here."""
    reasons = [] if stored.timings else ["nothing was timed there"]
    if stored.runtime != runtime:
        reasons.append(f"runtime {runtime!r} here, {stored.runtime!r} there")
    now, then = here.comparable, stored.device.comparable
    return reasons + [f"{name} {now[name]!r} here, {then[name]!r} there" for name in now if now[name] != then[name]]


def _limit(head: Side, device: Device, max_latency_ms: float | None, observer: Observer) -> Iterator[GateCheck]:
    if max_latency_ms is not None:
        budget = replace(head.manifest.budget, max_latency_ms=max_latency_ms)
        with _stage(observer, "limit", "time the head alone, in fresh processes"):
            engine = head.timed
            latency = verify_latency(
                device, engine.path, engine.feeds, engine.options, budget, progress=observer.progress
            )
        yield checks.limit_check(latency, budget.percentile)


def _accuracy(base: Base, head: Side, allowed: float, device: Device, observer: Observer) -> GateCheck:
    """Through the head's engine; the base's from what is on record of its engine."""
    manifest, data, metric = head.manifest, head.evaluation, head.manifest.task.metric
    with _stage(observer, "accuracy", f"let the head answer {len(data.tokens)} rows"):
        outputs = bundle_outputs(head.folder, device, manifest, data.tokens, progress=observer.progress)
        result = verify_accuracy(
            metric, data.teacher, outputs, data.targets, max_drop_points=allowed, seed=manifest.seed
        )
    recorded = None
    if isinstance(base, Side):
        recorded = points(get_metric(metric)(base.evaluation.engine, base.evaluation.targets))
    return checks.accuracy_check(result, recorded, allowed)


def _allowed_drop(limits: GateLimits, base: EngineFacts, of_head: float) -> float:
    """As asked for; else the smaller of both promises, so that no head widens its own."""
    if limits.max_accuracy_drop_points is not None:
        return limits.max_accuracy_drop_points
    of_base = base.max_accuracy_drop_points
    return of_head if of_base is None else min(of_base, of_head)


def _predicted(request: GateRequest, base: Base, head: Side) -> Iterator[GateCheck]:
    """What the tables of a target say of both."""
    if request.table is None:
        return
    if not isinstance(base, Side):
        raise InputError("--table: expected a bundle as --base, found a stored result, whose shape no table can time")
    yield from predicted_checks(request.table, base, head, request.limits)
