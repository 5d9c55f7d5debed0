"""The pictures of the page: each with its words and the numbers behind it, or none where there is nothing to show."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compressor.records.architecture import Architecture
from compressor.records.bench import LengthLatency, share_left_out
from compressor.records.cells import Cells
from compressor.records.evidence import Evidence
from compressor.records.results import Report
from compressor.records.units import format_ms
from compressor.report.comparing import Run
from compressor.report.page import figures
from compressor.report.page.frontier import frontier, frontier_of
from compressor.report.page.svg import as_svg
from compressor.report.shapes import LENGTHS_HEADER, batch_cells, length_cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        title: Heading.
        text: What it shows, below it.
        svg: The figure.
        header: Of the numbers behind it, for those who do not see it or want to copy them.
        rows: These numbers.
    """

    title: str
    text: str
    svg: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def pictures(report: Report, evidence: Evidence) -> Iterator[Picture]:
    """All that one run has something for."""
    yield compared([Run("", report, evidence)])
    for make in (_shape, _parts, _runs, _shapes, _trainings, _trials, _curves):
        found = make(report, evidence)
        if found is not None:
            yield found


def compared(runs: Sequence[Run]) -> Picture:
    """Accuracy and latency, of one run or of several beside each other."""
    found = frontier_of(runs)
    return _picture(
        "Accuracy and latency",
        found.caption,
        lambda: frontier(found),
        ("model", "accuracy", "p95", "beaten by no other in both"),
        tuple(
            (
                point.name,
                f"{point.row.accuracy_points:.2f}",
                format_ms(point.row.p95_ms),
                "yes" if point in found.front else "-",
            )
            for point in found.points
        ),
    )


def _picture(
    title: str,
    text: str,
    figure: "Callable[[], Figure]",
    header: tuple[str, ...] = (),
    rows: Iterator[tuple[str, ...]] | tuple[tuple[str, ...], ...] = (),
) -> Picture:
    svg = as_svg(figure(), name=title.lower().replace(" ", "-"), description=f"{title}. {text}")
    return Picture(title, text, svg, header, tuple(rows))


def _shape(report: Report, evidence: Evidence) -> Picture | None:
    del evidence
    shape = report.architecture
    if shape is None or not report.teacher_layers:
        return None
    if shape.cells is not None:
        return _cell(shape.cells)
    return _picture(
        "What is left of the teacher",
        _shape_words(report, shape),
        lambda: figures.shape(report),
        ("layer", "heads", "teacher's heads", "attention in", "neurons", "teacher's neurons", "feed-forward in"),
        _layer_rows(report, shape),
    )


def _cell(cells: Cells) -> Picture:
    behind = f", then {cells.aggregation}" if cells.aggregation else ""
    rows = [
        (f"node {node}", edge.block, "what enters" if edge.source == 0 else f"node {edge.source}")
        for node, edges in enumerate(cells.nodes, 1)
        for edge in edges
    ]
    return _picture(
        "The cell",
        f"It stands {cells.stacked} times in a row{behind}. Every node is the norm of what its blocks make of earlier "
        "states.",
        lambda: figures.cell(cells),
        ("node", "block", "reads"),
        tuple(rows),
    )


def _shape_words(report: Report, shape: Architecture) -> str:
    """Widths, and what the bars do not say."""
    parts = [f"Heads and neurons of each layer; hidden width {shape.hidden}; products in {report.precision_in_words}."]
    if len(figures.layer_precisions(report)) > 1:
        parts.append("Hatched: in fp32.")
    if outside := [name for name in report.kept if not name.startswith("layer")]:
        parts.append(f"Outside the layers in fp32: {', '.join(outside)}.")
    if shape.word_rank is not None:
        parts.append(f"The word table is factorised: {shape.word_rank} numbers per word, which a product widens.")
    return " ".join(parts)


def _layer_rows(report: Report, shape: Architecture) -> Iterator[tuple[str, ...]]:
    for index in range(max(len(shape.layers), len(report.teacher_layers))):
        ours, theirs = (
            layers[index] if index < len(layers) else None for layers in (shape.layers, report.teacher_layers)
        )
        cells = [str(index + 1)]
        for width, part in figures.SUB_LAYERS:
            cells += [str(getattr(layer, width)) if layer else "-" for layer in (ours, theirs)]
            cells.append(str(report.precision_of(index, part)) if ours and getattr(ours, width) else "-")
        yield tuple(cells)


def _parts(report: Report, evidence: Evidence) -> Picture | None:
    del report
    if not evidence.parts:
        return None
    whole = sum(part.cost_us for part in evidence.parts)
    return _picture(
        "Where the time goes",
        "Each part of the engine by the calibrated latency table.",
        lambda: figures.parts(evidence.parts),
        ("part", "us", "share"),
        tuple((p.name, f"{p.cost_us:.1f}", f"{100 * p.cost_us / whole:.1f} %") for p in evidence.parts),
    )


def _runs(report: Report, evidence: Evidence) -> Picture | None:
    del evidence
    latency = report.verification.latency
    if latency.histogram is None:
        return None
    beyond = f", {latency.histogram.beyond} of them slower than shown" if latency.histogram.beyond else ""
    return _picture(
        "Every run of the verification",
        f"{latency.summary.samples} runs in {latency.summary.processes} fresh processes{beyond}; none was left out.",
        lambda: figures.runs(latency),
        ("percentile", "latency"),
        tuple((f"p{p}", format_ms(getattr(latency.summary, f"p{p}_ms"))) for p in (50, 90, 95, 99)),
    )


def _shapes(report: Report, evidence: Evidence) -> Picture | None:
    if not evidence.lengths or not evidence.batches:
        return None
    return _picture(
        "Other lengths and batches",
        "Rows of the evaluation data in buckets of rising length, one at a time, as long as they are and padded to "
        f"the longest of their bucket{_left_out(evidence.lengths)}; batches at the promised length, "
        f"{report.workload.sequence_length} tokens."
        + (" The engine itself fills inputs up to the next of its lengths." if report.options.shapes else ""),
        lambda: figures.shapes(evidence.lengths, evidence.batches),
        ("tokens or batch", "share of the rows, or rows/s", *LENGTHS_HEADER[2:]),
        _shape_rows(evidence),
    )


def _left_out(lengths: Sequence[LengthLatency]) -> str:
    """That the series ended before the longest rows, where it did."""
    share = share_left_out(lengths)
    return f" (longer rows, {100 * share:.1f} % of all, were left out: they take too long)" if share else ""


def _shape_rows(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    for part in evidence.lengths:
        yield length_cells(part)
    for found in evidence.batches:
        batch, p50, p95, rows_per_s = batch_cells(found)
        yield f"batch {batch}", f"{rows_per_s}/s", p50, p95, "-"


def _trainings(report: Report, evidence: Evidence) -> Picture | None:
    del report
    if not evidence.trainings:
        return None
    return _picture(
        "Training",
        "Distillation loss of every training of the run, as it was reported about once a second, and its mean over "
        f"{figures.SMOOTHED} reports.",
        lambda: figures.trainings(evidence.trainings),
        ("training", "steps", "loss at the begin", "loss in the end"),
        tuple((t.student, str(t.steps[-1]), f"{t.losses[0]:.4f}", f"{t.losses[-1]:.4f}") for t in evidence.trainings),
    )


def _trials(report: Report, evidence: Evidence) -> Picture | None:
    del report
    if not evidence.trials:
        return None
    return _picture(
        "Predicted and measured",
        "Architectures that the search built and timed before any training; a wrong prediction corrected the table "
        "for the next.",
        lambda: figures.trials(evidence.trials),
        ("heads/neurons", "predicted", "measured"),
        tuple((t.shape, format_ms(t.predicted_ms), format_ms(t.measured_ms)) for t in evidence.trials),
    )


def _curves(report: Report, evidence: Evidence) -> Picture | None:
    del report
    if not evidence.curves:
        return None
    return _picture(
        "The latency table",
        "Cost of each op at each width, measured on the device, with its standard error.",
        lambda: figures.curves(evidence.curves),
        ("op", "width", "us", "standard error"),
        _curve_rows(evidence),
    )


def _curve_rows(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    for curve in evidence.curves:
        for width, cost, error in zip(curve.widths, curve.costs_us, curve.errors_us, strict=True):
            yield curve.name, f"{width} {curve.unit}", f"{cost:.2f}", f"{error:.3f}"
