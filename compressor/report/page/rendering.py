"""Records to the page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from compressor.errors import UnavailableError
from compressor.records.evidence import Evidence
from compressor.records.results import Report
from compressor.records.units import format_ms, format_seconds
from compressor.report.page import figures
from compressor.report.page.answers import Answers
from compressor.report.table import HEADER, cells, promises, provenance, verdict_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 12  # of a confusion matrix that can be read


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


def render_page(report: Report, evidence: Evidence, answers: Answers | None) -> str:
    """The page of one run.

    Raises:
        UnavailableError: What draws and lays out is not installed.
    """
    return _render("page.html", report=report, answers=answers, **_common([report], evidence, answers))


def render_comparison(reports: Sequence[Report], evidence: Evidence) -> str:
    """Runs side by side: their promises, their tables, one picture of all.

    Raises:
        UnavailableError: What draws and lays out is not installed.
    """
    return _render("comparison.html", reports=reports, **_common(reports, evidence, None))


def _common(reports: Sequence[Report], evidence: Evidence, answers: Answers | None) -> dict[str, Any]:
    _check_installed()
    return {
        "pictures": list(_pictures(reports, evidence)),
        "header": HEADER,
        "verdicts": [verdict_line(report) for report in reports],
        "cells": [cells(report) for report in reports],
        "promises": [promises(report) for report in reports],
        "provenance": [provenance(report) for report in reports],
        "command": [command(report) for report in reports],
        "confusion": answers is not None and len(answers.labels) <= MOST_CLASSES,
    }


def _render(template: str, **values: Any) -> str:
    from jinja2 import DictLoader, Environment, StrictUndefined

    sources = {name: _read(name) for name in ("base.html", "parts.html", template)}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["seconds"] = format_seconds
    return environment.get_template(template).render(**values, style=_read("page.css"), script=_read("page.js"))


def _read(name: str) -> str:
    return (resources.files("compressor.report.page") / name).read_text(encoding="utf-8")


def _check_installed() -> None:
    for name in ("jinja2", "matplotlib"):
        if find_spec(name) is None:
            raise UnavailableError(
                f"the page needs {name}, which is not installed: pip install 'compressor[report]'; --format md and "
                "--format json need nothing"
            )


def _pictures(reports: Sequence[Report], evidence: Evidence) -> Iterator[Picture]:
    def picture(title: str, text: str, figure: "Callable[[], Figure]", header: Any = (), rows: Any = ()) -> Picture:
        name = title.lower().replace(" ", "-")
        return Picture(title, text, figures.as_svg(figure(), name=name, description=f"{title}. {text}"), header, rows)

    report = reports[0]
    yield picture(
        "Accuracy and latency",
        "Each model at its median latency with the 95 % interval of its accuracy. The dashed line is the limit; in "
        "the shaded part no student is fast enough.",
        lambda: figures.frontier(reports, evidence),
    )
    if len(reports) > 1:
        return
    if report.architecture is not None and report.teacher_layers:
        yield picture(
            "What is left of the teacher",
            f"Heads and neurons of each layer; all products in {report.precision}.",
            lambda: figures.shape(report),
            ("layer", "heads", "of", "neurons", "of"),
            tuple(_layer_rows(report)),
        )
    if evidence.parts:
        whole = sum(part.cost_us for part in evidence.parts)
        yield picture(
            "Where the time goes",
            "Each part of the engine by the calibrated latency table.",
            lambda: figures.parts(evidence.parts),
            ("part", "us", "share"),
            tuple((p.name, f"{p.cost_us:.1f}", f"{100 * p.cost_us / whole:.1f} %") for p in evidence.parts),
        )
    latency = report.verification.latency
    if latency.histogram is not None:
        beyond = f", {latency.histogram.beyond} of them slower than shown" if latency.histogram.beyond else ""
        yield picture(
            "Every run of the verification",
            f"{latency.summary.samples} runs in {latency.summary.processes} fresh processes{beyond}; none was left "
            "out.",
            lambda: figures.runs(latency),
            ("percentile", "latency"),
            tuple((f"p{p}", format_ms(getattr(latency.summary, f"p{p}_ms"))) for p in (50, 90, 95, 99)),
        )
    if evidence.trainings:
        yield picture(
            "Training",
            "Distillation loss of every training of the run, as it was reported about once a second, and its mean over "
            f"{figures.SMOOTHED} reports.",
            lambda: figures.trainings(evidence.trainings),
            ("training", "steps", "loss at the begin", "loss in the end"),
            tuple(
                (t.student, str(t.steps[-1]), f"{t.losses[0]:.4f}", f"{t.losses[-1]:.4f}") for t in evidence.trainings
            ),
        )
    if evidence.trials:
        yield picture(
            "Predicted and measured",
            "Architectures that the search built and timed before any training; a wrong prediction corrected the "
            "table for the next.",
            lambda: figures.trials(evidence.trials),
            ("heads/neurons", "predicted", "measured"),
            tuple((t.shape, format_ms(t.predicted_ms), format_ms(t.measured_ms)) for t in evidence.trials),
        )
    if evidence.curves:
        yield picture(
            "The latency table",
            "Cost of each op at each width, measured on the device, with its standard error.",
            lambda: figures.curves(evidence.curves),
            ("op", "width", "us", "standard error"),
            tuple(_curve_rows(evidence)),
        )


def _layer_rows(report: Report) -> Iterator[tuple[str, ...]]:
    kept = report.architecture.layers if report.architecture else ()
    for index in range(max(len(kept), len(report.teacher_layers))):
        ours = kept[index] if index < len(kept) else None
        theirs = report.teacher_layers[index] if index < len(report.teacher_layers) else None
        cells_of = [str(getattr(x, w)) if x else "-" for w in ("heads", "neurons") for x in (ours, theirs)]
        yield (str(index + 1), *cells_of)


def _curve_rows(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    for curve in evidence.curves:
        for width, cost, error in zip(curve.widths, curve.costs_us, curve.errors_us, strict=True):
            yield curve.name, f"{width} {curve.unit}", f"{cost:.2f}", f"{error:.3f}"


def command(report: Report) -> str:
    """What gives such a bundle again."""
    budget, shape = report.budget, report.workload
    flags = [f"--teacher {report.teacher}", f"--data {report.data}", f"--target {report.target}"]
    if budget.max_latency_ms is not None:
        flags += [f"--max-latency {budget.max_latency_ms:g}ms", f"--percentile {budget.percentile:g}"]
    flags.append(f"--max-accuracy-drop {budget.max_accuracy_drop_points:g}")
    flags += [f"--batch {shape.batch}", f"--sequence-length {shape.sequence_length}", f"--threads {shape.threads}"]
    return " \\\n    ".join(["compressor compress", *flags, f"--seed {report.seed}", "--output bundle"])
