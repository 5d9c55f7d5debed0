"""`compressor report`: what a run found, as a page, as Markdown or as JSON; of one, or comparing."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.errors import ExitCode, InputError

if TYPE_CHECKING:
    from compressor.records.results import Report
    from compressor.report.page import Found


class Format(StrEnum):
    """How it is written."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


def report(
    folder: Annotated[Path, typer.Argument(help="Of a bundle, of several limits, or of a run.")],
    other: Annotated[Path | None, typer.Argument(help="Another, to compare it with.")] = None,
    form: Annotated[Format, typer.Option("--format", help="A page, Markdown, or JSON.")] = Format.HTML,
    output: Annotated[Path | None, typer.Option(help="File; left out: report.html here, or standard output.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
) -> int:
    """Show what a run found: verdict, evidence, and how to do it again.

    compressor report bundle --open
    """
    from compressor.records.writing import write_text
    from compressor.report.page import find

    if show and form is not Format.HTML:
        raise InputError(f"--open shows a page, and --format is {form}; leave one of them out")
    found = [find(each) for each in (folder, other) if each is not None]
    reports = [report for each in found for report in each.reports]
    text = _page(found[0], reports) if form is Format.HTML else _text(reports, form)
    if output is None and form is Format.HTML:
        output = Path("report.html")
    if output is None:
        typer.echo(text)
        return int(ExitCode.MET)
    write_text(output, text, "--output")
    typer.echo(f"{output}: {', '.join(str(report.verification.verdict) for report in reports)}")
    if show:
        typer.launch(str(output.resolve()))
    return int(ExitCode.MET)


def _page(found: "Found", reports: "list[Report]") -> str:
    from compressor.report.page import render_comparison, render_page

    if len(reports) > 1:
        return render_comparison(reports, found.evidence)
    return render_page(reports[0], found.evidence, found.answers)


def _text(reports: "list[Report]", form: Format) -> str:
    from compressor.records.serial import to_json
    from compressor.report import markdown

    if form is Format.MARKDOWN:
        return "\n\n".join(map(markdown, reports))
    documents = [to_json(report) for report in reports]
    return documents[0] if len(documents) == 1 else "[\n" + ",\n".join(documents) + "\n]"
