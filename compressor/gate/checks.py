"""The lines of a verdict: what was found of base and head against what is allowed."""

from collections.abc import Iterator
from dataclasses import replace

from compressor.gate.deciding import FEWEST, decide, enough_seconds, noise_floor
from compressor.records.gate import EngineFacts, GateCheck, GateLimits, GateTimings, GateVerdict
from compressor.records.promise import Verdict
from compressor.records.results import AccuracyResult, LatencyResult
from compressor.records.units import format_bytes, format_ms

VERDICTS = {
    Verdict.MET: GateVerdict.PASS,
    Verdict.MISSED: GateVerdict.FAIL,
    Verdict.INCONCLUSIVE: GateVerdict.INCONCLUSIVE,
    Verdict.UNVERIFIED: GateVerdict.UNMEASURED,
}
# By which the share of operations in int8 may fall where the shape is another one: products of two activations are
# never in int8, and are another part of the whole there.
OTHER_SHAPE = 0.10
NAMED_BLOCKS = 6


def timed_check(timings: GateTimings, limits: GateLimits) -> GateCheck:
    """The two engines in turn."""
    ratio, verdict = timings.ratio, decide(timings.ratio, timings.noise, limits.max_regression)
    if ratio.low is None or ratio.high is None:
        note = _too_few(timings)
    else:
        note = (
            f"{_percent(ratio.value - 1)} ({_percent(ratio.low - 1)} to {_percent(ratio.high - 1)}), this machine's "
            f"noise {100 * noise_floor(timings.noise):.1f} %, {ratio.processes} processes"
        )
        if verdict is GateVerdict.INCONCLUSIVE:
            note += "; give more time (--time), or allow more (--max-regression)"
    if timings.stored_base:
        note += "; the base is a stored result, of another hour"
    return GateCheck("latency", format_ms(timings.base_ms), format_ms(timings.head_ms), _more(limits), verdict, note)


def _too_few(timings: GateTimings) -> str:
    """Why there is no interval, and what would give one."""
    measured = len(timings.process_ms)
    if measured < FEWEST:
        enough = enough_seconds(timings.seconds, measured)
        return f"{measured} processes are too few to say, of the {FEWEST} that it takes: give --time {enough}s"
    return f"{timings.ratio.processes} processes of the base are too few to say: store it again, with more --time"


def limit_check(latency: LatencyResult, percentile: float) -> GateCheck:
    """The head against a limit, as in a promise."""
    head = f"{100 * latency.share_within:.2f} % of runs"
    note = f"at 99 % confidence {100 * latency.share_low:.2f} % to {100 * latency.share_high:.2f} %"
    limit = f"{percentile:g} % within {format_ms(latency.limit_ms or 0.0)}"
    return GateCheck("latency limit", "-", head, limit, VERDICTS[latency.verdict], note)


def untimed_check(note: str) -> GateCheck:
    """The latency could not be compared, which is no pass."""
    return GateCheck("latency", "-", "-", "", GateVerdict.UNMEASURED, note)


def accuracy_check(accuracy: AccuracyResult, base_points: float | None, allowed: float) -> GateCheck:
    """The head against its teacher, through its engine."""
    return GateCheck(
        f"accuracy ({accuracy.metric})",
        "-" if base_points is None else f"{base_points:.2f}",
        f"{accuracy.points:.2f}",
        f"{allowed:g} points below the teacher",
        VERDICTS[accuracy.verdict],
        f"{accuracy.drop_points:+.2f} points lost ({accuracy.drop_low:.2f} to {accuracy.drop_high:.2f})",
    )


def of_one_teacher(check: GateCheck, base: EngineFacts, head: EngineFacts) -> GateCheck:
    """The check of the accuracy where both have one teacher and one data set.

    Else the head's drop is from another height, or its points are of other rows: that it keeps its own promise does
    not say that it may take the base's place.
    """
    digests = {
        "teacher": (base.teacher_digest, head.teacher_digest),
        "data": (base.data_digest, head.data_digest),
    }
    unlike = [
        f"another {name} ({before} of the base, {now} of the head)"
        for name, (before, now) in digests.items()
        if before is not None and before != now
    ]
    if unlike:
        note = f"not comparable, {' and '.join(unlike)}; {check.note}"
        return replace(check, verdict=GateVerdict.UNMEASURED, note=note)
    if unknown := [name for name, (before, _) in digests.items() if before is None]:
        return replace(check, note=f"{check.note}; the stored base does not name its {' and '.join(unknown)}")
    return check


def static_checks(base: EngineFacts, head: EngineFacts, limits: GateLimits, *, timed: bool) -> Iterator[GateCheck]:
    """What needs no clock: the same on every machine.

    Args:
        base: Facts of the base.
        head: Facts of the head.
        limits: What is allowed.
        timed: The engines were timed, so that what they take is known and need not be guessed from operations.
    """
    yield _operations(base, head, limits, judged=not timed)
    yield _precision(base, head)
    yield _nodes(base, head)
    yield _size(base, head, limits)


def _operations(base: EngineFacts, head: EngineFacts, limits: GateLimits, *, judged: bool) -> GateCheck:
    """Not judged beside a clock: an engine that takes more of them may well be the faster one."""
    before, now = sum(base.operations.values()), sum(head.operations.values())
    verdict = _verdict(now > before * (1 + limits.max_regression)) if judged else None
    limit = _more(limits) if judged else ""
    return GateCheck("operations", _in_millions(base), _in_millions(head), limit, verdict, _percent(now / before - 1))


def _precision(base: EngineFacts, head: EngineFacts) -> GateCheck:
    """Products that were in int8 must not be in float32 again; of another shape only the whole can be compared."""
    before, now = _int8_share(base), _int8_share(head)
    if base.architecture == head.architecture:
        lost = [block for block, share in base.int8_blocks.items() if head.int8_blocks.get(block, share) < share]
        over, limit = bool(lost) or now < before, "not less"
    else:
        lost, over = [], before - now > OTHER_SHAPE
        limit = f"{100 * OTHER_SHAPE:g} points less at most"
    note = f"{_some(lost) or 'products'} went from int8 to float32" if over else ""
    return GateCheck("operations in int8", f"{100 * before:.1f} %", f"{100 * now:.1f} %", limit, _verdict(over), note)


def _some(names: list[str]) -> str:
    """`layer0.attention, layer1.attention and 4 more`."""
    rest = len(names) - NAMED_BLOCKS
    return ", ".join(names[:NAMED_BLOCKS]) + (f" and {rest} more" if rest > 0 else "")


def _nodes(base: EngineFacts, head: EngineFacts) -> GateCheck:
    """A fusion that is lost leaves more nodes; engines that differ in more have different numbers anyway."""
    before, now = sum(base.nodes.values()), sum(head.nodes.values())
    if not _alike(base, head):
        return GateCheck("nodes of the engine", str(before), str(now), "", None)
    kinds = sorted(base.nodes.keys() | head.nodes.keys())
    changed = [(kind, base.nodes.get(kind, 0), head.nodes.get(kind, 0)) for kind in kinds]
    note = ", ".join(f"{kind} {old} -> {new}" for kind, old, new in changed if old != new)
    return GateCheck("nodes of the engine", str(before), str(now), "not more", _verdict(now > before), note)


def _alike(base: EngineFacts, head: EngineFacts) -> bool:
    """Of one shape, with the same products in int8, for one runtime."""
    return (base.architecture, base.precision, base.kept, base.runtime) == (
        head.architecture,
        head.precision,
        head.kept,
        head.runtime,
    )


def _size(base: EngineFacts, head: EngineFacts, limits: GateLimits) -> GateCheck:
    most = limits.max_size_bytes
    verdict = None if most is None else _verdict(head.bytes > most)
    limit = "" if most is None else format_bytes(most)
    return GateCheck("size", format_bytes(base.bytes), format_bytes(head.bytes), limit, verdict)


def _verdict(over: bool) -> GateVerdict:
    return GateVerdict.FAIL if over else GateVerdict.PASS


def _int8_share(facts: EngineFacts) -> float:
    return facts.operations.get("int8", 0) / sum(facts.operations.values())


def _in_millions(facts: EngineFacts) -> str:
    return f"{sum(facts.operations.values()) / 1e6:.1f} M"


def _more(limits: GateLimits) -> str:
    return f"{_percent(limits.max_regression)} at most"


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"
