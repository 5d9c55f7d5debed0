"""A gate's result for people and machines: lines, Markdown for a pull request, JUnit XML."""

from collections.abc import Sequence
from xml.etree import ElementTree

from compressor.records.gate import GateCheck, GateResult, GateTimings, GateVerdict, Ratio
from compressor.records.units import format_seconds
from compressor.report.table import plain_table

HEADER = ("check", "verdict", "base", "head", "allowed", "found")
MARKS = {
    GateVerdict.PASS: "✅",
    GateVerdict.FAIL: "❌",
    GateVerdict.INCONCLUSIVE: "❔",
    GateVerdict.UNMEASURED: "🚫",
    None: "",
}
# What Markdown, or a table in it, would take for its own.
SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "\n": " ", "\r": " "})
PLOT_WIDTH = 48


def gate_lines(result: GateResult) -> list[str]:
    """The table, the picture of the ratio, where it was measured, the verdict."""
    lines = [plain_table(HEADER, [_cells(check) for check in result.checks])]
    if result.timings is not None:
        lines += ["", *ratio_plot(result.timings, result.max_regression)]
    return [*lines, "", provenance(result), f"verdict: {result.verdict}"]


def gate_markdown(result: GateResult) -> str:
    """For a comment on a pull request: the verdict first."""
    rows = [_cells(check) for check in result.checks]
    marked = [
        (row[0], f"{MARKS[check.verdict]} {row[1]}", *row[2:]) for row, check in zip(rows, result.checks, strict=True)
    ]
    table = ["| " + " | ".join(cell.translate(SPECIAL) for cell in row) + " |" for row in (HEADER, *marked)]
    table.insert(1, "| " + " | ".join("---" for _ in HEADER) + " |")
    parts = [f"### {MARKS[result.verdict]} compressor gate: {result.verdict}", "\n".join(table)]
    if result.timings is not None:
        parts.append("\n".join(["```", *ratio_plot(result.timings, result.max_regression), "```"]))
    return "\n\n".join([*parts, provenance(result).translate(SPECIAL)]) + "\n"


def gate_junit(result: GateResult) -> str:
    """A test case per check, as CI systems read it; what was not decided or measured is an error, not a failure."""
    judged = [check for check in result.checks if check.verdict is not None]
    counts = {verdict: sum(check.verdict is verdict for check in judged) for verdict in GateVerdict}
    suite = ElementTree.Element(
        "testsuite",
        name="compressor gate",
        tests=str(len(judged)),
        failures=str(counts[GateVerdict.FAIL]),
        errors=str(counts[GateVerdict.INCONCLUSIVE] + counts[GateVerdict.UNMEASURED]),
        timestamp=result.date,
    )
    for check in judged:
        case = ElementTree.SubElement(suite, "testcase", classname="compressor.gate", name=check.name)
        told = f"base {check.base}, head {check.head}, allowed {check.limit or '-'}; {check.note}"
        if check.verdict is GateVerdict.PASS:
            ElementTree.SubElement(case, "system-out").text = told
        else:
            kind = "failure" if check.verdict is GateVerdict.FAIL else "error"
            ElementTree.SubElement(case, kind, message=check.note or check.name).text = told
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def provenance(result: GateResult) -> str:
    """Where and when, and for how long."""
    took = "no clock" if result.timings is None else f"timed for {format_seconds(result.timings.seconds)}"
    cores = f"{result.device.usable_cores} cores"
    return f"Measured on {result.device.model} ({cores}), {result.runtime}, {result.date}, {took}."


def ratio_plot(timings: GateTimings, max_regression: float) -> list[str]:
    """Two intervals on one axis, in characters: head over base, and base over base."""
    rows = [("base / base", timings.noise), ("head / base", timings.ratio)]
    ends = [end for _, ratio in rows for end in (ratio.low, ratio.value, ratio.high) if end is not None]
    low, high = min(*ends, 1.0), max(*ends, 1.0 + max_regression)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (PLOT_WIDTH - 1))

    allowed = column(1.0 + max_regression)
    lines = [f"{name}  {_interval(ratio, column, allowed)}" for name, ratio in rows]
    scale = f"{low:<8.3f}{'|':>{max(1, allowed - 7)}} {1.0 + max_regression:.3f} allowed"
    return [*lines, f"{'':11}  {scale}"]


def _interval(ratio: Ratio, column, allowed: int) -> str:  # type: ignore[no-untyped-def]
    cells = [" "] * PLOT_WIDTH
    cells[allowed] = "|"
    if ratio.low is not None and ratio.high is not None:
        first, last = column(ratio.low), column(ratio.high)
        cells[first : last + 1] = "-" * (last + 1 - first)
        cells[first], cells[last] = "[", "]"
    cells[column(ratio.value)] = "o"
    return "".join(cells)


def _cells(check: GateCheck) -> Sequence[str]:
    verdict = "-" if check.verdict is None else str(check.verdict)
    return check.name, verdict, check.base, check.head, check.limit or "-", check.note or "-"
