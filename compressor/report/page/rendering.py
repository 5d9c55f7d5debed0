"""Records to the page."""

from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from typing import Any

from compressor.errors import UnavailableError
from compressor.records.evidence import Evidence
from compressor.records.results import Report
from compressor.records.units import format_seconds
from compressor.report.command import command_text
from compressor.report.comparing import COMPARISON_HEADER, Run, comparison_cells, differences
from compressor.report.page.answers import Answers
from compressor.report.page.pictures import compared, pictures
from compressor.report.page.sorting import sort_value
from compressor.report.table import HEADER, cells, promises, provenance, verdict_line


def render_page(report: Report, evidence: Evidence, answers: Answers | None) -> str:
    """The page of one run; without answers where there is no evaluation data.

    Raises:
        UnavailableError: What draws and lays out is not installed.
    """
    _check_installed()
    return _render("page.html", told=_told(report), pictures=list(pictures(report, evidence)), answers=answers)


def render_comparison(runs: Sequence[Run]) -> str:
    """Runs side by side: what they differ in, their promises, their tables, one picture of all.

    Args:
        runs: Under names that differ.

    Raises:
        UnavailableError: What draws and lays out is not installed.
    """
    _check_installed()
    return _render(
        "comparison.html",
        runs=[{"name": run.name, "folder": run.folder, "told": _told(run.report)} for run in runs],
        picture=compared(runs),
        header=COMPARISON_HEADER,
        rows=comparison_cells(runs),
        differences=list(differences(runs)),
    )


def _told(report: Report) -> dict[str, Any]:
    """A report in words."""
    return {
        "report": report,
        "verdict": verdict_line(report),
        "promises": promises(report),
        "header": HEADER,
        "cells": cells(report),
        "command": command_text(report.command, report.distill),
        "provenance": provenance(report),
    }


def _render(template: str, **values: Any) -> str:
    from jinja2 import DictLoader, Environment, StrictUndefined

    sources = {name: _read(name) for name in ("base.html", "parts.html", template)}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["seconds"] = format_seconds
    environment.filters["sort_value"] = sort_value
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
