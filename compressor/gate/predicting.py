"""What a target's tables say of two bundles; neither the target nor torch need be here.

    regression    head / base, both predicted medians; its error is that of both, or none where the two are one shape
    limit         predicted median of the head x tail, tail = promised percentile / median as the bundle measured it

A table is right within its error only: what lies closer to a limit than that is inconclusive.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError
from compressor.export import REPORT
from compressor.gate.measuring import Side
from compressor.latency import estimate
from compressor.records.architecture import Architecture
from compressor.records.gate import GateCheck, GateLimits, GateVerdict
from compressor.records.latency import LatencySummary, LatencyTable, Measured
from compressor.records.results import Report
from compressor.records.serial import load
from compressor.records.table_file import TableFile, check_table_file
from compressor.records.units import format_ms

# Of engines whose bundle says nothing of it; those of shared machines were seen between 1.07 and 1.41.
ASSUMED_TAIL = 1.2


@dataclass(frozen=True)
class Tail:
    """How many times as long as the median the promised percentile takes, and who says so."""

    factor: float
    source: str


def predicted_checks(path: Path, base: Side, head: Side, limits: GateLimits) -> Iterator[GateCheck]:
    """Regression, and limit if there is one.

    Args:
        path: Of the tables, as `compressor profile --export` wrote them.
        base: The bundle in use.
        head: The bundle that is to take its place.
        limits: What the head may not exceed.

    Raises:
        InputError: No such file, or it has no table of one of the bundles.
    """
    file = check_table_file(load(TableFile, path))
    source = f"{path.name} of {file.device.model}"
    before, now = (estimate(*_table_and_shape(file, path, side)) for side in (base, head))
    yield _regression(before, now, limits, source, alike=_run(base) == _run(head))
    if limits.max_latency_ms is not None:
        percentile = head.manifest.budget.percentile
        yield _limit(now, _tail(percentile, head, base), percentile, limits.max_latency_ms, source)


def _run(side: Side) -> tuple[object, ...]:
    """All that a prediction is made from."""
    manifest = side.manifest
    return manifest.architecture, manifest.precision, manifest.options.runtime


def _regression(before: Measured, now: Measured, limits: GateLimits, source: str, *, alike: bool) -> GateCheck:
    ratio = now.value_us / before.value_us
    error = 0.0 if alike else ratio * math.hypot(_relative_error(before), _relative_error(now))
    return GateCheck(
        "predicted latency",
        format_ms(before.value_us / 1e3),
        format_ms(now.value_us / 1e3),
        f"{100 * limits.max_regression:+.1f} % at most",
        _verdict(ratio, 1 + limits.max_regression, error),
        f"{100 * (ratio - 1):+.1f} % ± {100 * error:.1f} % by {source}",
    )


def _limit(now: Measured, tail: Tail, percentile: float, limit_ms: float, source: str) -> GateCheck:
    value_ms, error_ms = (tail.factor * us / 1e3 for us in (now.value_us, now.standard_error_us))
    return GateCheck(
        "predicted latency limit",
        "-",
        format_ms(value_ms),
        f"{percentile:g} % within {format_ms(limit_ms)}",
        _verdict(value_ms, limit_ms, error_ms),
        f"± {format_ms(error_ms)}, {tail.factor:.2f} x the median ({tail.source}), by {source}",
    )


def _relative_error(found: Measured) -> float:
    return found.standard_error_us / found.value_us


def _verdict(value: float, limit: float, error: float) -> GateVerdict:
    """Inconclusive where the limit is within the error."""
    if value - error > limit:
        return GateVerdict.FAIL
    return GateVerdict.PASS if value + error <= limit else GateVerdict.INCONCLUSIVE


def _table_and_shape(file: TableFile, path: Path, side: Side) -> tuple[LatencyTable, Architecture]:
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
            return table, manifest.architecture
    raise InputError(
        f"--table: {path} has no table of {manifest.workload.in_words} in {manifest.precision} and "
        f"{manifest.options.runtime}; make one with `compressor profile --export`"
    )


def _tail(percentile: float, head: Side, base: Side) -> Tail:
    """As measured where the head was built, else where the base was."""
    for side in (head, base):
        summary = _measured(side.folder)
        if summary is not None:
            known = {50.0: summary.p50_ms, 90.0: summary.p90_ms, 95.0: summary.p95_ms, 99.0: summary.p99_ms}
            nearest = min((percent for percent in known if percent >= percentile), default=99.0)
            return Tail(known[nearest] / summary.p50_ms, f"p{nearest:g} where {side.folder.name} was built")
    return Tail(ASSUMED_TAIL, "assumed: no bundle has a report")


def _measured(folder: Path) -> LatencySummary | None:
    """What the report of a bundle says; None where there is none that this version can read."""
    try:
        return load(Report, folder / REPORT).verification.latency.summary
    except InputError:
        return None
