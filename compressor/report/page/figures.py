"""The pictures of the page, as SVG that takes the page's colours and says its values when pointed at."""

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from html import escape
from itertools import cycle
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from compressor.records.bench import BatchLatency, LengthLatency
from compressor.records.cells import Cells
from compressor.records.evidence import CostCurve, Evidence, PartCost, TrainingCurve, TrialPoint
from compressor.records.results import LatencyResult, Report, Row
from compressor.records.units import format_ms
from compressor.report.drawing import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

# Stand-ins that `as_svg` replaces by the page's own colours, which change between light and dark.
INK, GRID = "#010203", "#040506"
WIDTH = 5.6  # inches: narrow enough that text can be read on a phone
WIDEST_REM = 46
SMOOTHED = 25  # reports of a training
OURS, TEACHER, LIMIT, FORBIDDEN = "#12876f", "#8a6fc9", "#d1603d", "#d1603d"
LAYOUT: dict[Any, Any] = {"axes.edgecolor": GRID, "grid.color": GRID, "axes.labelcolor": INK, "text.color": INK}
LAYOUT |= {"font.size": 10.0, "xtick.color": INK, "ytick.color": INK, "axes.titlecolor": INK}


def as_svg(figure: "Figure", *, name: str, description: str) -> str:
    """The figure as one element to put into a page.

    Args:
        figure: Its artists whose gid begins with `tip:` say the rest of it when pointed at.
        name: Makes its identifiers different from those of other figures.
        description: For those who do not see it.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="tip:([^"]*)">', r"<g><title>\1</title>", svg)
    svg = re.sub(r'(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    widest = f"max-width: {WIDEST_REM * figure.get_figwidth() / WIDTH:.0f}rem"
    return svg.replace("<svg", f'<svg role="img" style="{widest}" aria-label="{escape(description, quote=True)}"', 1)


def _panels(width: float, height: float, rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _styled(make: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Draws in the style of all pictures, with stand-ins for the page's colours."""

    @wraps(make)
    def drawn(*arguments: P.args, **more: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context({**STYLE, **LAYOUT}):
            return make(*arguments, **more)

    return drawn


def tip(text: str) -> str:
    """The gid of an artist that says this when pointed at."""
    return f"tip:{text}"


@_styled
def frontier(reports: Sequence[Report], evidence: Evidence) -> "Figure":
    """Accuracy against latency: every model that was measured, the limits, and what no model can reach.

    Of several runs of one teacher, the first shows it.
    """
    figure, (axes,) = _panels(WIDTH, 3.4)
    first = reports[0]
    shown = [
        (row, row.name == report.chosen)
        for report in reports
        for row in report.rows
        if report is first or row.name == report.chosen or report.teacher != first.teacher
    ]
    for place, (row, chosen) in enumerate(shown):
        _dot(axes, row, OURS if chosen else TEACHER, above=place % 2 == 0)
    axes.set_xscale("log")
    for limit in {ms for report in reports if (ms := report.budget.max_latency_ms) is not None}:
        _upright(axes, limit, "limit", LIMIT, dashed=True)
    low, high = axes.get_xlim()
    bound = evidence.lower_bound_ms
    if bound is not None:
        low = min(low, 0.7 * bound)
        axes.axvspan(low, bound, color=FORBIDDEN, alpha=0.12, linewidth=0, gid=tip("no student is as fast as this"))
    axes.set_xlim(low, 1.8 * high)
    _plain_ticks(axes)
    axes.set_xlabel("median latency, ms")
    axes.set_ylabel(f"{first.task.metric}, points")
    return figure


def _upright(axes: "Axes", value_ms: float, name: str, colour: str, *, dashed: bool = False) -> None:
    """A line at a latency, with its name beside its upper end."""
    axes.axvline(
        value_ms,
        color=colour,
        linestyle="--" if dashed else "-",
        linewidth=1.2,
        gid=tip(f"{name} {format_ms(value_ms)}"),
    )
    axes.annotate(
        name,
        (value_ms, 0.97),
        xycoords=("data", "axes fraction"),
        color=colour,
        rotation=90,
        ha="right",
        va="top",
        fontsize=8,
    )


def _plain_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _dot(axes: "Axes", row: Row, colour: str, *, above: bool) -> None:
    errors = [[row.accuracy_points - row.accuracy_low], [row.accuracy_high - row.accuracy_points]]
    axes.errorbar(row.p50_ms, row.accuracy_points, yerr=errors, color=colour, capsize=3, linewidth=1.2)
    words = f"{row.name}: {row.accuracy_points:.2f} points, {format_ms(row.p50_ms)}"
    axes.plot(row.p50_ms, row.accuracy_points, "o", color=colour, markersize=7, gid=tip(words))
    place = (7, 5 if above else -13)  # neighbours do not write over each other
    axes.annotate(row.name, (row.p50_ms, row.accuracy_points), xytext=place, textcoords="offset points", fontsize=9)


@_styled
def shape(report: Report) -> "Figure":
    """Heads and neurons of each layer, of the teacher and of what is left."""
    from matplotlib.ticker import MaxNLocator

    figure, panels = _panels(WIDTH, 2.6, columns=2)
    kept = report.architecture.layers if report.architecture else ()
    places = range(1, max(len(report.teacher_layers), len(kept)) + 1)
    for panel, width in zip(panels, ("heads", "neurons"), strict=True):
        for layers, colour, fill, name in (
            (report.teacher_layers, TEACHER, "none", "teacher"),
            (kept, OURS, OURS, "what ships"),
        ):
            for place, layer in enumerate(layers, 1):
                value = getattr(layer, width)
                label = name if place == 1 else None
                panel.bar(
                    place,
                    value,
                    0.7,
                    facecolor=fill,
                    edgecolor=colour,
                    label=label,
                    gid=tip(f"{name}, layer {place}: {value} {width}"),
                )
        panel.set_xticks(list(places))
        panel.grid(visible=False, axis="x")
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_xlabel("layer")
        panel.set_ylabel(width)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=9)
    return figure


@_styled
def cell(cells: Cells) -> "Figure":
    """States from left to right, an arc with its name for every block."""
    from matplotlib.patches import FancyArrowPatch

    figure, (axes,) = _panels(WIDTH, 2.8)
    names = ["in", *(str(node) for node in range(1, len(cells.nodes))), "out"]
    above: dict[tuple[int, int], int] = {}
    for node, edges in enumerate(cells.nodes, 1):
        for edge in edges:
            place = above.setdefault((edge.source, node), 0)
            above[edge.source, node] += 1
            height = 0.28 * (node - edge.source) + 0.3 * place
            arrow = FancyArrowPatch(
                (edge.source, 0),
                (node, 0),
                connectionstyle=f"arc3,rad={-height / (node - edge.source)}",
                arrowstyle="-|>",
                mutation_scale=10,
                shrinkA=12,
                shrinkB=12,
                color=OURS,
            )
            arrow.set_gid(tip(f"{edge.block}, from {names[edge.source]} to {names[node]}"))
            axes.add_patch(arrow)
            axes.text((edge.source + node) / 2, 0.5 * height + 0.04, edge.block, ha="center", va="bottom", fontsize=9)
    for place, name in enumerate(names):
        axes.plot(place, 0, "o", markersize=20, color=TEACHER)
        axes.text(place, 0, name, ha="center", va="center", color="white", fontsize=9)
    axes.set_xlim(-0.4, len(names) - 0.6)
    axes.set_ylim(-0.3, 1.1)
    axes.axis("off")
    return figure


@_styled
def parts(costs: Sequence[PartCost]) -> "Figure":
    """Where the time goes."""
    figure, (axes,) = _panels(WIDTH, 0.6 + 0.24 * len(costs))
    whole = sum(cost.cost_us for cost in costs)
    for place, cost in enumerate(costs):
        words = f"{cost.name}: {cost.cost_us:.1f} us, {100 * cost.cost_us / whole:.0f} %"
        axes.barh(place, cost.cost_us, color=OURS, gid=tip(words))
    axes.set_yticks(range(len(costs)), [cost.name for cost in costs])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("microseconds, by the table")
    return figure


@_styled
def trials(points: Sequence[TrialPoint]) -> "Figure":
    """Predicted against measured."""
    figure, (axes,) = _panels(0.7 * WIDTH, 3.2)
    ends = [value for point in points for value in (point.predicted_ms, point.measured_ms)]
    low, high = 0.9 * min(ends), 1.1 * max(ends)
    axes.plot([low, high], [low, high], color=GRID, linewidth=1)
    for point in points:
        words = f"{point.shape}: predicted {format_ms(point.predicted_ms)}, measured {format_ms(point.measured_ms)}"
        axes.plot(point.predicted_ms, point.measured_ms, "o", color=OURS, alpha=0.8, gid=tip(words))
    axes.set_xlabel("predicted, ms")
    axes.set_ylabel("measured, ms")
    return figure


@_styled
def trainings(found: Sequence[TrainingCurve]) -> "Figure":
    """Loss against steps, the smoothed one in front."""
    figure, (axes,) = _panels(WIDTH, 2.8)
    for colour, curve in zip(cycle((OURS, TEACHER, LIMIT)), found, strict=False):
        losses = np.array(curve.losses)
        axes.plot(curve.steps, losses, color=colour, alpha=0.25, linewidth=0.8)
        width = min(SMOOTHED, len(losses))
        smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
        words = f"{curve.student}: {curve.steps[-1]} steps, loss {smooth[-1]:.4f} in the end"
        axes.plot(curve.steps[width - 1 :], smooth, color=colour, linewidth=1.6, label=curve.student, gid=tip(words))
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("distillation loss")
    if len(found) > 1:
        axes.legend(frameon=False, labelcolor=INK)
    return figure


@_styled
def runs(latency: LatencyResult) -> "Figure":
    """All runs of the verification."""
    figure, (axes,) = _panels(WIDTH, 2.5)
    found = latency.histogram
    if found is None:
        raise ValueError("the report has no histogram")
    edges = found.edges_ms
    for low, high, count in zip(edges[:-1], edges[1:], found.counts, strict=True):
        axes.bar(low, count, high - low, align="edge", color=OURS, gid=tip(f"{count} runs around {format_ms(low)}"))
    summary = latency.summary
    for name, value in (("p50", summary.p50_ms), ("p95", summary.p95_ms), ("p99", summary.p99_ms)):
        if value <= edges[-1]:
            _upright(axes, value, name, TEACHER)
    if latency.limit_ms is not None:
        _upright(axes, latency.limit_ms, "limit", LIMIT, dashed=True)
    axes.set_yscale("symlog", linthresh=10)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("ms")
    axes.set_ylabel("runs")
    return figure


@_styled
def shapes(lengths: Sequence[LengthLatency], batches: Sequence[BatchLatency]) -> "Figure":
    """Rows as long as they are beside the same rows padded; rows per second of batches."""
    figure, (left, right) = _panels(WIDTH, 2.6, columns=2)
    for place, part in enumerate(lengths):
        span = f"{part.shortest} to {part.longest} tokens, {100 * part.share:.0f} % of the rows"
        for side, colour, name, value_ms in (
            (-0.2, OURS, "as long as it is", part.p50_ms),
            (0.2, TEACHER, "padded", part.padded_p50_ms),
        ):
            label = name if place == 0 else None
            left.bar(
                place + side,
                value_ms,
                0.38,
                color=colour,
                label=label,
                gid=tip(f"{span}, {name}: {format_ms(value_ms)}"),
            )
    left.set_xticks(range(len(lengths)), [str(part.longest) for part in lengths])
    left.grid(visible=False, axis="x")
    left.set_xlabel("tokens, up to")
    left.set_ylabel("median latency, ms")
    right.plot([x.batch for x in batches], [x.rows_per_s for x in batches], color=OURS, linewidth=1.2)
    for x in batches:
        words = f"batch {x.batch}: {x.rows_per_s:.0f} rows per second, {format_ms(x.p50_ms)}"
        right.plot(x.batch, x.rows_per_s, "o", color=OURS, markersize=5, gid=tip(words))
    right.set_xscale("log", base=2)
    right.set_xticks([x.batch for x in batches], [str(x.batch) for x in batches])
    right.set_ylim(bottom=0)
    right.set_xlabel("batch")
    right.set_ylabel("rows per second")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=9)
    return figure


@_styled
def curves(found: Sequence[CostCurve]) -> "Figure":
    """The table: what each op costs at each width."""
    columns = 2
    rows = -(-len(found) // columns)
    figure, panels = _panels(WIDTH, 2.2 * rows, rows, columns)
    for panel, curve in zip(panels, found, strict=False):
        panel.errorbar(curve.widths, curve.costs_us, curve.errors_us, color=OURS, marker="o", markersize=3, capsize=2)
        for width, cost in zip(curve.widths, curve.costs_us, strict=True):
            words = f"{width} {curve.unit}: {cost:.2f} us"
            panel.plot(width, cost, "o", color=OURS, markersize=5, alpha=0.01, gid=tip(words))
        panel.set_title(curve.name, loc="left")
        panel.set_xlabel(curve.unit)
        panel.set_ylabel("us")
        panel.set_ylim(bottom=0)
    for panel in panels[len(found) :]:
        panel.remove()
    return figure
