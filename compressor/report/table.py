"""The closing table: the teacher as users know it, then what ships, all measured in the same way."""

from collections.abc import Sequence

from compressor.records.latency import LatencySummary
from compressor.records.promise import Verdict
from compressor.records.results import COMPILED, EAGER, Report, Row
from compressor.records.task import AGREEMENT
from compressor.records.units import format_bytes, format_ms, format_seconds

HEADER = ("model", "accuracy (95 % interval)", "p50", "p95", "size", "faster than compiled", "than eager")


def cells(report: Report) -> list[tuple[str, ...]]:
    """Rows of the table as text, in the order of `HEADER`."""
    by_name = {row.name: row for row in report.rows}
    return [_cells(row, by_name.get(COMPILED), by_name.get(EAGER)) for row in report.rows]


def _cells(row: Row, compiled: Row | None, eager: Row | None) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.accuracy_points:.2f} ({row.accuracy_low:.2f} - {row.accuracy_high:.2f})",
        format_ms(row.p50_ms),
        format_ms(row.p95_ms),
        format_bytes(row.size_bytes),
        _times(compiled, row),
        _times(eager, row),
    )


def _times(other: Row | None, row: Row) -> str:
    return "-" if other is None else f"{other.p50_ms / row.p50_ms:.1f}x"


def promises(report: Report) -> list[str]:
    """One line per promise with what was measured."""
    check, budget = report.verification, report.budget
    latency = check.latency
    where = report.workload.in_words
    measured = (
        f"{latency.summary.samples} runs in {latency.summary.processes} processes, worth {latency.effective_runs:.0f} "
        f"independent ones, {latency.seconds:.1f} s, {disturbed(latency.summary)}"
    )
    if latency.limit_ms is None:
        lines = [f"latency: no limit; p95 {format_ms(latency.summary.p95_ms)} ({where}; {measured})"]
    else:
        decided = (
            f"latency {latency.verdict}: {100 * latency.share_within:.2f} % of runs within "
            f"{format_ms(latency.limit_ms)} (at 99 % confidence at least {100 * latency.share_low:.2f} %, promised "
            f"{budget.percentile:g} %; {where}; {measured})"
        )
        lines = [decided]
    lines.append(_accuracy_line(report))
    lines.append(
        f"numerics {check.numerics.verdict}: emitted graph within {check.numerics.emitted_difference:.1e} of torch"
    )
    if budget.max_size_bytes is not None:
        total = check.size.engine_bytes + check.size.tokenizer_bytes
        lines.append(f"size {check.size.verdict}: {format_bytes(total)} of {format_bytes(budget.max_size_bytes)}")
    return lines


def disturbed(summary: LatencySummary) -> str:
    """What share of the measured time was not quiet, in words."""
    if summary.disturbed_share is None:
        return "no yardstick"
    return f"{100 * summary.disturbed_share:.1f} % of the time disturbed"


def _accuracy_line(report: Report) -> str:
    """The accuracy promise, as a drop against the teacher or as agreement with it."""
    accuracy, allowed = report.verification.accuracy, report.budget.max_accuracy_drop_points
    rows = f"{accuracy.rows} untruncated rows of `{report.task.eval_split}`, read {report.evaluation_reads} time(s)"
    if report.task.metric == AGREEMENT:
        return (
            f"agreement {accuracy.verdict}: {accuracy.points:.2f} % of the answers are the teacher's (95 % interval "
            f"{accuracy.low:.2f} to {accuracy.high:.2f}; promised {100 - allowed:g} %; {rows})"
        )
    return (
        f"accuracy {accuracy.verdict}: {accuracy.metric} drops by {accuracy.drop_points:.2f} points (95 % interval "
        f"{accuracy.drop_low:.2f} to {accuracy.drop_high:.2f}; allowed {allowed:g}; {rows})"
    )


def verdict_line(report: Report) -> str:
    """The verdict first, then why not, if not."""
    check = report.verification
    words = ", ".join(check.reasons)
    outcome = "every promise is kept" if check.verdict is Verdict.MET else words
    return f"{check.verdict}: {outcome}. Shipped: {report.chosen}, {report.precision_in_words}, {_widths(report)}"


def _widths(report: Report) -> str:
    shape = report.architecture
    if shape is None:
        return "as exported (its family has no adapter)"
    if shape.cells is not None:
        return f"cells {shape.in_words}, width {shape.hidden}"
    unusual = "" if shape.activation == "gelu" else f", {shape.activation}"
    return f"heads/neurons per layer {shape.in_words or 'none'}, hidden {shape.hidden}{unusual}"


def markdown(report: Report) -> str:
    """Verdict, promises and table in Markdown."""
    lines = "\n".join(f"- {line}" for line in promises(report))
    table = markdown_table(HEADER, cells(report))
    return f"**{verdict_line(report)}**\n\n{lines}\n\n{table}\n\n{provenance(report)}\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; a bar in a cell stays one."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (header, *rows)]
    lines.insert(1, "| " + " | ".join("---" for _ in header) + " |")
    return "\n".join(lines)


def provenance(report: Report) -> str:
    """Where and when the numbers were measured, and what share of inputs is longer than the promised length."""
    longer = 100 * report.lengths["share_longer"]
    return (
        f"Measured on {report.device} ({report.cores} cores), {report.date}, {report.options.threads} thread(s); "
        f"{longer:.1f} % of the evaluation inputs are longer than {report.workload.sequence_length} tokens (p95 "
        f"{report.lengths['p95']:.0f}); took {format_seconds(sum(s.seconds for s in report.stages))}."
    )


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with spaces, for pipes and logs."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows))
    return "\n".join("  ".join(row).rstrip() for row in padded)
