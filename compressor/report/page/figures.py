"""The pictures of one run, but for that of accuracy against latency."""

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from compressor.records.architecture import Precision
from compressor.records.bench import BatchLatency, LengthLatency
from compressor.records.cells import Cells
from compressor.records.evidence import CostCurve, PartCost, TrainingCurve, TrialPoint
from compressor.records.results import LatencyResult, Report
from compressor.records.units import format_ms
from compressor.report.page.svg import GRID, INK, LIMIT, OURS, TEACHER, WIDTH, new_figure, styled, tip, upright

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTHED = 25  # reports of a training
# The sub-layer that a width is the width of.
SUB_LAYERS: tuple[tuple[str, Literal["attention", "feed_forward"]], ...] = (
    ("heads", "attention"),
    ("neurons", "feed_forward"),
)
OUTLINE: dict[str, Any] = {"facecolor": "none", "edgecolor": TEACHER}


@styled
def shape(report: Report) -> "Figure":
    """Heads and neurons of each layer, of the teacher and of what is left; hatched where products stay in float32."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    figure, panels = new_figure(WIDTH, 2.6, columns=2)
    kept = report.architecture.layers if report.architecture else ()
    places = range(1, max(len(report.teacher_layers), len(kept)) + 1)
    for panel, (width, part) in zip(panels, SUB_LAYERS, strict=True):
        for place, layer in enumerate(report.teacher_layers, 1):
            value = getattr(layer, width)
            panel.bar(place, value, 0.7, **OUTLINE, gid=tip(f"teacher, layer {place}: {value} {width}"))
        for place, layer in enumerate(kept, 1):
            value, precision = getattr(layer, width), report.precision_of(place - 1, part)
            words = tip(f"what ships, layer {place}: {value} {width} in {precision}")
            panel.bar(place, value, 0.7, **_look(precision, report.precision), gid=words)
        panel.set_xticks(list(places))
        panel.grid(visible=False, axis="x")
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_xlabel("layer")
        panel.set_ylabel(width)
    handles = [Patch(**OUTLINE, label="teacher")]
    looks = ((precision, _look(precision, report.precision)) for precision in layer_precisions(report))
    handles += [Patch(**look, label=f"what ships, {precision}") for precision, look in looks]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9)
    return figure


def layer_precisions(report: Report) -> list[Precision]:
    """Those that sub-layers of what ships are in, each once, that of the most first."""
    layers = report.architecture.layers if report.architecture else ()
    found = {report.precision_of(place, part) for place in range(len(layers)) for _, part in SUB_LAYERS}
    return sorted(found, key=lambda precision: precision != report.precision)


def _look(precision: Precision, usual: Precision) -> dict[str, Any]:
    """Of a bar: filled, and hatched where it is not in the precision of the others."""
    if precision == usual:
        return {"facecolor": OURS, "edgecolor": OURS}
    return {"facecolor": "none", "edgecolor": OURS, "hatch": "////"}


@styled
def cell(cells: Cells) -> "Figure":
    """States from left to right, an arc with its name for every block."""
    from matplotlib.patches import FancyArrowPatch

    figure, (axes,) = new_figure(WIDTH, 2.8)
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


@styled
def parts(costs: Sequence[PartCost]) -> "Figure":
    """Where the time goes."""
    figure, (axes,) = new_figure(WIDTH, 0.6 + 0.24 * len(costs))
    whole = sum(cost.cost_us for cost in costs)
    for place, cost in enumerate(costs):
        words = f"{cost.name}: {cost.cost_us:.1f} us, {100 * cost.cost_us / whole:.0f} %"
        axes.barh(place, cost.cost_us, color=OURS, gid=tip(words))
    axes.set_yticks(range(len(costs)), [cost.name for cost in costs])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("microseconds, by the table")
    return figure


@styled
def trials(points: Sequence[TrialPoint]) -> "Figure":
    """Predicted against measured."""
    figure, (axes,) = new_figure(0.7 * WIDTH, 3.2)
    ends = [value for point in points for value in (point.predicted_ms, point.measured_ms)]
    low, high = 0.9 * min(ends), 1.1 * max(ends)
    axes.plot([low, high], [low, high], color=GRID, linewidth=1)
    for point in points:
        words = f"{point.shape}: predicted {format_ms(point.predicted_ms)}, measured {format_ms(point.measured_ms)}"
        axes.plot(point.predicted_ms, point.measured_ms, "o", color=OURS, alpha=0.8, gid=tip(words))
    axes.set_xlabel("predicted, ms")
    axes.set_ylabel("measured, ms")
    return figure


@styled
def trainings(found: Sequence[TrainingCurve]) -> "Figure":
    """Loss against steps, the smoothed one in front."""
    figure, (axes,) = new_figure(WIDTH, 2.8)
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


@styled
def runs(latency: LatencyResult) -> "Figure":
    """All runs of the verification."""
    figure, (axes,) = new_figure(WIDTH, 2.5)
    found = latency.histogram
    if found is None:
        raise ValueError("the report has no histogram")
    edges = found.edges_ms
    for low, high, count in zip(edges[:-1], edges[1:], found.counts, strict=True):
        axes.bar(low, count, high - low, align="edge", color=OURS, gid=tip(f"{count} runs around {format_ms(low)}"))
    summary = latency.summary
    for name, value in (("p50", summary.p50_ms), ("p95", summary.p95_ms), ("p99", summary.p99_ms)):
        if value <= edges[-1]:
            upright(axes, value, name, TEACHER)
    if latency.limit_ms is not None:
        upright(axes, latency.limit_ms, "limit", LIMIT, dashed=True)
    axes.set_yscale("symlog", linthresh=10)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("ms")
    axes.set_ylabel("runs")
    return figure


@styled
def shapes(lengths: Sequence[LengthLatency], batches: Sequence[BatchLatency]) -> "Figure":
    """Rows as long as they are beside the same rows padded; rows per second of batches."""
    figure, (left, right) = new_figure(WIDTH, 2.6, columns=2)
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


@styled
def curves(found: Sequence[CostCurve]) -> "Figure":
    """The table: what each op costs at each width."""
    columns = 2
    rows = -(-len(found) // columns)
    figure, panels = new_figure(WIDTH, 2.2 * rows, rows, columns)
    for panel, curve in zip(panels, found, strict=False):
        panel.errorbar(curve.widths, curve.costs_us, curve.errors_us, color=OURS, marker="o", markersize=3, capsize=2)
        for width, cost in zip(curve.widths, curve.costs_us, strict=True):
            words = f"{width} {curve.unit}: {cost:.2f} us"
            panel.plot(width, cost, "o", color=OURS, markersize=5, alpha=0.01, gid=tip(words))
        panel.set_title(curve.name, loc="left", fontsize=8.5)  # a narrow panel
        panel.set_xlabel(curve.unit)
        panel.set_ylabel("us")
        panel.set_ylim(bottom=0)
    for panel in panels[len(found) :]:
        panel.remove()
    return figure
