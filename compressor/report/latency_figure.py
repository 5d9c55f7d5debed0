"""Latency tables as a picture: cost against width, a panel per op and workload, a colour per precision.

A row of panels per op, a column per sequence length. Solid lines with filled markers: weights in the caches; dashed
ones with open markers: weights from main memory. Error bars are one standard error. What has no width is a bar.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.records.architecture import OpKey, Precision
from compressor.records.latency import LatencyTable, TableEntry
from compressor.records.promise import Workload
from compressor.report.drawing import STYLE, save_picture
from compressor.report.latency import ESTIMATED, UNITS, op_name, shape_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of Okabe and Ito (2008), told apart with any colour vision.
COLOURS = {Precision.FP32: "#0072B2", Precision.INT8: "#D55E00", Precision.INT8_STATIC: "#009E73"}
PANEL_INCHES = (3.0, 2.15)
TITLE_INCHES, TITLE_POINTS, CHARACTERS_PER_INCH = 0.9, 11, 9
# Name, attribute of an entry, line, fill of the markers (None: as the line).
WEIGHTS = (("weights cached", "cached", "-", None), ("weights uncached", "uncached", "--", "white"))


def draw_tables(tables: Sequence[LatencyTable], path: Path, *, device: str, notice: str | None = None) -> None:
    """Draw tables of one device to a file.

    Args:
        tables: At least one; all measured, or all estimated.
        path: Of the picture; the end of its name says the format, .svg or .png.
        device: In the title.
        notice: What has to stand beside estimates; in the title too.

    Raises:
        UnavailableError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    save_picture(lambda: latency_figure(tables, device=device, notice=notice), path)


def latency_figure(tables: Sequence[LatencyTable], *, device: str, notice: str | None = None) -> "Figure":
    """The picture itself; see `draw_tables`. Panels are in reading order: ops from above, lengths from the left."""
    import matplotlib
    from matplotlib.figure import Figure

    workloads, ops = _columns(tables), _rows(tables)
    width = PANEL_INCHES[0] * max(2, len(workloads))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, PANEL_INCHES[1] * len(ops) + TITLE_INCHES), layout="constrained")
        panels = figure.subplots(len(ops), len(workloads), squeeze=False)
        for row, op in zip(panels, ops, strict=True):
            for panel, workload in zip(row, workloads, strict=True):
                _draw_panel(panel, [table for table in tables if table.workload == workload], op)
            row[0].set_ylabel("\n".join([*op_name(op).split(", "), "cost (µs)"]))
        for panel, workload in zip(panels[0], workloads, strict=True):
            panel.set_title(f"length {workload.sequence_length}")
        title = "\n".join(
            textwrap.fill(line, round(CHARACTERS_PER_INCH * width)) for line in _title(tables, device, notice)
        )
        figure.suptitle(title, fontsize=TITLE_POINTS, fontweight="bold", ha="left", x=0.01)
        legend = _legend(tables)
        figure.legend(handles=legend, loc="outside lower left", ncols=len(legend) // len(WEIGHTS))
    return figure


def _columns(tables: Sequence[LatencyTable]) -> list[Workload]:
    workloads = {table.workload for table in tables}
    return sorted(workloads, key=lambda w: (w.batch, w.threads, w.sequence_length))


def _rows(tables: Sequence[LatencyTable]) -> list[OpKey]:
    """Ops without width and precision, those that have no width last."""
    ops = {_family(entry.op) for table in tables for entry in table.entries}
    return sorted(ops, key=lambda op: (op.kind == "stem", op.first_token, op.kind, op.hidden))


def _family(op: OpKey) -> OpKey:
    return replace(op, width=0, precision=Precision.FP32)


def _draw_panel(panel: "Axes", tables: Sequence[LatencyTable], op: OpKey) -> None:
    """One op at one workload, in every precision."""
    from matplotlib.ticker import MaxNLocator

    for place, table in enumerate(tables):
        entries = sorted((e for e in table.entries if _family(e.op) == op), key=lambda e: e.op.width)
        if op.kind == "stem":
            _draw_bars(panel, entries, table.precision, place)
        else:
            _draw_lines(panel, entries, table.precision)
    if op.kind == "stem":
        panel.set_xticks(range(len(tables)), [str(table.precision) for table in tables])
        panel.grid(visible=False, axis="x")
    else:
        panel.set_xlabel(UNITS[op.kind])
        panel.set_xlim(left=0)
        panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=(1, 2, 5, 10)))
    panel.set_ylim(bottom=0)


def _draw_lines(panel: "Axes", entries: Sequence[TableEntry], precision: Precision) -> None:
    for _, field, line, fill in WEIGHTS:
        costs = [getattr(entry, field) for entry in entries]
        panel.errorbar(
            [entry.op.width for entry in entries],
            [cost.value_us for cost in costs],
            [cost.standard_error_us for cost in costs],
            **_strokes(precision, line, fill),
        )


def _strokes(precision: Precision, line: str, fill: str | None) -> dict[str, Any]:
    colour = COLOURS[precision]
    look: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.3, "marker": "o", "markersize": 3.5}
    return {**look, "markerfacecolor": fill or colour, "capsize": 2, "elinewidth": 1}


def _draw_bars(panel: "Axes", entries: Sequence[TableEntry], precision: Precision, place: int) -> None:
    for entry in entries:
        for (_, field, line, fill), shift in zip(WEIGHTS, (-0.2, 0.2), strict=True):
            cost, colour = getattr(entry, field), COLOURS[precision]
            panel.bar(
                place + shift,
                cost.value_us,
                width=0.36,
                yerr=cost.standard_error_us,
                facecolor=fill or colour,
                edgecolor=colour,
                linestyle=line,
                error_kw={"ecolor": "#333333", "capsize": 2, "elinewidth": 1},
            )


def _title(tables: Sequence[LatencyTable], device: str, notice: str | None) -> list[str]:
    first = tables[0]
    what = f"{ESTIMATED} latency, nothing measured" if first.source == "estimated" else "Measured latency"
    shape = first.workload
    lines = [
        f"{what}: {device}, {first.runtime}",
        shape_in_words(first.teacher),
        f"batch {shape.batch}, {shape.threads} thread(s); error bars: ± one standard error",
    ]
    return [*lines, notice] if notice else lines


def _legend(tables: Sequence[LatencyTable]) -> list[Any]:
    """One line per precision and kind of weights."""
    from matplotlib.lines import Line2D

    precisions = [precision for precision in Precision if any(table.precision is precision for table in tables)]
    mark = f"{ESTIMATED} " if tables[0].source == "estimated" else ""
    return [
        Line2D([], [], label=f"{mark}{precision}, {name}", **_legend_strokes(precision, line, fill))
        for precision in precisions
        for name, _, line, fill in WEIGHTS
    ]


def _legend_strokes(precision: Precision, line: str, fill: str | None) -> dict[str, Any]:
    strokes = _strokes(precision, line, fill)
    return {name: value for name, value in strokes.items() if name not in ("capsize", "elinewidth")}
