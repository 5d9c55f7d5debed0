"""The pictures of the page: each with its words and the numbers behind it, or none where there is nothing to show."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compressor.records.cells import Cells
from compressor.records.evidence import Evidence
from compressor.records.results import Report
from compressor.records.units import format_ms
from compressor.report.page import figures
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


def pictures(reports: Sequence[Report], evidence: Evidence) -> Iterator[Picture]:
    """Of one run all that it has something for; of several one that shows them side by side."""
    yield _frontier(reports, evidence)
    if len(reports) == 1:
        for make in (_shape, _parts, _runs, _shapes, _trainings, _trials, _curves):
            found = make(reports[0], evidence)
            if found is not None:
                yield found


def _picture(
    title: str,
    text: str,
    figure: "Callable[[], Figure]",
    header: tuple[str, ...] = (),
    rows: Iterator[tuple[str, ...]] | tuple[tuple[str, ...], ...] = (),
) -> Picture:
    svg = figures.as_svg(figure(), name=title.lower().replace(" ", "-"), description=f"{title}. {text}")
    return Picture(title, text, svg, header, tuple(rows))


def _frontier(reports: Sequence[Report], evidence: Evidence) -> Picture:
    return _picture(
        "Accuracy and latency",
        "Each model at its median latency with the 95 % interval of its accuracy. The dashed line is the limit; in "
        "the shaded part no student is fast enough.",
        lambda: figures.frontier(reports, evidence),
    )


def _shape(report: Report, evidence: Evidence) -> Picture | None:
    del evidence
    shape = report.architecture
    if shape is None or not report.teacher_layers:
        return None
    if shape.cells is not None:
        return _cell(shape.cells)
    return _picture(
        "What is left of the teacher",
        f"Heads and neurons of each layer; all products in {report.precision_in_words}.",
        lambda: figures.shape(report),
        ("layer", "heads", "of", "neurons", "of"),
        _layer_rows(report),
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


def _layer_rows(report: Report) -> Iterator[tuple[str, ...]]:
    kept = report.architecture.layers if report.architecture else ()
    for index in range(max(len(kept), len(report.teacher_layers))):
        ours = kept[index] if index < len(kept) else None
        theirs = report.teacher_layers[index] if index < len(report.teacher_layers) else None
        cells_of = [str(getattr(x, w)) if x else "-" for w in ("heads", "neurons") for x in (ours, theirs)]
        yield (str(index + 1), *cells_of)


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
        f"the longest of their bucket; batches at the promised length, {report.workload.sequence_length} tokens."
        + (" The engine itself fills inputs up to the next of its lengths." if report.options.shapes else ""),
        lambda: figures.shapes(evidence.lengths, evidence.batches),
        ("tokens or batch", "share of the rows, or rows/s", *LENGTHS_HEADER[2:]),
        _shape_rows(evidence),
    )


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
