"""Accuracy against latency of a family: every engine with its interval and its limit, beside the compiled teacher."""

from pathlib import Path
from typing import TYPE_CHECKING

from compressor.records.family import Family, Member
from compressor.records.results import COMPILED
from compressor.records.units import format_ms
from compressor.report.drawing import save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEACHER, STUDENT, LIMIT = "#0072B2", "#D55E00", "#888888"
HEADER = ("limit", "p95", "model", "accuracy (95 % interval)", "drop", "faster than compiled", "verdict", "bundle")


def family_cells(family: Family) -> list[tuple[str, ...]]:
    """Rows of the closing table as text, in the order of `HEADER`."""
    return [_cells(member) for member in family.members]


def _cells(member: Member) -> tuple[str, ...]:
    if member.report is None:
        return (format_ms(member.limit_ms), *("-",) * 5, "infeasible", "-")
    check, own = member.report.verification, member.report.shipped
    times = member.report.speed_up
    return (
        format_ms(member.limit_ms),
        format_ms(own.p95_ms),
        own.name,
        f"{own.accuracy_points:.2f} ({own.accuracy_low:.2f} - {own.accuracy_high:.2f})",
        f"{check.accuracy.drop_points:.2f}",
        "-" if times is None else f"{times:.1f}x",
        str(check.verdict),
        str(member.bundle),
    )


def draw_family(family: Family, path: Path) -> None:
    """Draw a family to a file; at least one member has a report.

    Raises:
        UnavailableError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    save_picture(lambda: family_figure(family), path)


def family_figure(family: Family) -> "Figure":
    """The picture itself; p95 to the right on a logarithmic axis, the metric upwards."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    reports = [member.report for member in family.members if member.report is not None]
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for member in family.members:
        axes.axvline(member.limit_ms, color=LIMIT, linestyle=":", linewidth=1.0)
    axes.plot([], [], color=LIMIT, linestyle=":", label="limits")
    for rows, colour, label in (
        ([row for row in reports[0].rows if row.name == COMPILED], TEACHER, "teacher, compiled"),
        ([report.shipped for report in reports], STUDENT, "engines"),
    ):
        heights = [row.accuracy_points for row in rows]
        errors = [
            [row.accuracy_points - row.accuracy_low for row in rows],
            [row.accuracy_high - row.accuracy_points for row in rows],
        ]
        x = [row.p95_ms for row in rows]
        axes.errorbar(x, heights, yerr=errors, color=colour, marker="o", capsize=3, label=label, linewidth=1.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    teacher = [row.p95_ms for row in reports[0].rows if row.name == COMPILED]
    axes.set_xticks(sorted({*teacher, *(member.limit_ms for member in family.members)}))
    axes.set_xlabel("95 % of runs take at most (ms)")
    axes.set_ylabel(f"{reports[0].task.metric} on {reports[0].task.eval_split}, points")
    axes.set_title(f"{Path(reports[0].teacher).name} on {reports[0].device}", loc="left")
    axes.legend(loc="lower right")
    return figure
