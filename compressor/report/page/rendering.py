"""Records to the page."""

from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from typing import Any

from compressor.errors import UnavailableError
from compressor.records.distillation import DistillRecipe
from compressor.records.evidence import Evidence
from compressor.records.results import Report
from compressor.records.units import format_seconds
from compressor.report.page.answers import Answers
from compressor.report.page.pictures import pictures
from compressor.report.table import HEADER, cells, promises, provenance, verdict_line

MOST_CLASSES = 12  # of a confusion matrix that can be read
RECIPE = "losses.yaml"


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
        "pictures": list(pictures(reports, evidence)),
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


def command(report: Report) -> str:
    """What gives such a bundle again."""
    budget, shape = report.budget, report.workload
    flags = [f"--teacher {report.teacher}", f"--data {report.data}", f"--target {report.target}"]
    if budget.max_latency_ms is not None:
        flags += [f"--max-latency {budget.max_latency_ms:g}ms", f"--percentile {budget.percentile:g}"]
    flags.append(f"--max-accuracy-drop {budget.max_accuracy_drop_points:g}")
    flags += [f"--batch {shape.batch}", f"--sequence-length {shape.sequence_length}", f"--threads {shape.threads}"]
    recipe = report.distill
    if recipe is not None:
        flags.append(f"--distill {recipe.terms[0].name if recipe.is_name else RECIPE}")
    lines = ["compressor compress", *flags, f"--seed {report.seed}", "--output bundle"]
    return " \\\n    ".join(lines) + _recipe(recipe)


def _recipe(recipe: DistillRecipe | None) -> str:
    """The file that the command reads, where it needs one."""
    return "" if recipe is None or recipe.is_name else f"\n\n# {RECIPE}\n{recipe.in_yaml}"
