"""The lines of a verdict: what was found of base and head against what is allowed."""

from collections.abc import Iterator

from compressor.gate.deciding import decide, noise_floor
from compressor.records.gate import EngineFacts, GateCheck, GateLimits, GateTimings, GateVerdict
from compressor.records.promise import Verdict
from compressor.records.results import AccuracyResult, LatencyResult
from compressor.records.units import format_bytes, format_ms

VERDICTS = {
    Verdict.MET: GateVerdict.PASS,
    Verdict.MISSED: GateVerdict.FAIL,
    Verdict.INCONCLUSIVE: GateVerdict.INCONCLUSIVE,
    Verdict.UNVERIFIED: GateVerdict.INCONCLUSIVE,
}


def timed_check(timings: GateTimings, limits: GateLimits) -> GateCheck:
    """The two engines in turn."""
    ratio, verdict = timings.ratio, decide(timings.ratio, timings.noise, limits.max_regression)
    if ratio.low is None or ratio.high is None:
        note = f"{ratio.processes} processes are too few to say: give more time (--time)"
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


def limit_check(latency: LatencyResult, percentile: float) -> GateCheck:
    """The head against a limit, as in a promise."""
    head = f"{100 * latency.share_within:.2f} % of runs"
    note = f"at 99 % confidence {100 * latency.share_low:.2f} % to {100 * latency.share_high:.2f} %"
    limit = f"{percentile:g} % within {format_ms(latency.limit_ms or 0.0)}"
    return GateCheck("latency limit", "-", head, limit, VERDICTS[latency.verdict], note)


def untimed_check(note: str) -> GateCheck:
    """The latency could not be compared, which is no pass."""
    return GateCheck("latency", "-", "-", "", GateVerdict.INCONCLUSIVE, note)


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


def predicted_check(base_us: float, head_us: float, limits: GateLimits, source: str) -> GateCheck:
    """What a target's table says of both."""
    over = head_us > base_us * (1 + limits.max_regression)
    over |= limits.max_latency_ms is not None and head_us / 1e3 > limits.max_latency_ms
    note = f"{_percent(head_us / base_us - 1)} by {source}"
    return GateCheck(
        "predicted latency", format_ms(base_us / 1e3), format_ms(head_us / 1e3), _more(limits), _verdict(over), note
    )


def static_checks(base: EngineFacts, head: EngineFacts, limits: GateLimits) -> Iterator[GateCheck]:
    """What needs no clock: the same on every machine."""
    yield _operations(base, head, limits)
    yield _precision(base, head)
    yield _nodes(base, head)
    yield _size(base, head, limits)


def _operations(base: EngineFacts, head: EngineFacts, limits: GateLimits) -> GateCheck:
    before, now = sum(base.operations.values()), sum(head.operations.values())
    over = now > before * (1 + limits.max_regression)
    return GateCheck(
        "operations", _in_millions(base), _in_millions(head), _more(limits), _verdict(over), _percent(now / before - 1)
    )


def _precision(base: EngineFacts, head: EngineFacts) -> GateCheck:
    """Products that were in int8 must not be in float32 again; shares of different shapes differ anyway."""
    before, now = _int8_share(base), _int8_share(head)
    lost = now < before if base.architecture == head.architecture else (now == 0.0 < before)
    note = "products went from int8 to float32" if lost else ""
    return GateCheck(
        "operations in int8", f"{100 * before:.1f} %", f"{100 * now:.1f} %", "not less", _verdict(lost), note
    )


def _nodes(base: EngineFacts, head: EngineFacts) -> GateCheck:
    """A fusion that is lost leaves more nodes; engines of different shape have different numbers anyway."""
    same = (base.architecture, base.precision) == (head.architecture, head.precision)
    before, now = sum(base.nodes.values()), sum(head.nodes.values())
    kinds = sorted(base.nodes.keys() | head.nodes.keys())
    changed = [(kind, base.nodes.get(kind, 0), head.nodes.get(kind, 0)) for kind in kinds]
    note = ", ".join(f"{kind} {old} -> {new}" for kind, old, new in changed if old != new)
    verdict, limit = (_verdict(now > before), "not more") if same else (None, "")
    return GateCheck("nodes of the engine", str(before), str(now), limit, verdict, note if same else "")


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
