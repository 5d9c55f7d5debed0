"""`compressor report`: what a run found, as a page, as Markdown or as JSON; of one, or comparing."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.errors import ExitCode, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compressor.report import Run
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
    from compressor.cli.watching import one_stage
    from compressor.records.writing import write_text
    from compressor.report import distinct
    from compressor.report.page import find

    if show and form is not Format.HTML:
        raise InputError(f"--open shows a page, and --format is {form}; leave one of them out")
    if output is None and form is Format.HTML:
        output = Path("report.html")
    if output is not None:
        _check_place(output)
    with one_stage("report", "read and draw", brief=True):
        found = [find(each) for each in (folder, other) if each is not None]
        runs = distinct([run for each in found for run in each.runs])
        text = _page(found[0], runs) if form is Format.HTML else _text(runs, form)
    if output is None:
        typer.echo(text)
        return int(ExitCode.MET)
    write_text(output, text, "--output")
    typer.echo(f"{output}: {', '.join(str(run.report.verification.verdict) for run in runs)}")
    if show:
        typer.launch(str(output.resolve()))
    return int(ExitCode.MET)


def _check_place(output: Path) -> None:
    """Refuse a bundle's own folder: its manifest has a hash of every file in it, and would not hold any more."""
    from compressor.export import MANIFEST

    if (output.resolve().parent / MANIFEST).exists():
        raise InputError(
            f"--output: {output} would be inside a bundle, whose files are those of its {MANIFEST}; give another place"
        )


def _page(found: "Found", runs: "Sequence[Run]") -> str:
    from compressor.report.page import render_comparison, render_page

    if len(runs) > 1:
        return render_comparison(runs)
    return render_page(runs[0].report, runs[0].evidence, found.answers)


def _text(runs: "Sequence[Run]", form: Format) -> str:
    from compressor.records.serial import to_json
    from compressor.report import comparison_markdown, markdown

    if form is Format.MARKDOWN:
        return markdown(runs[0].report) if len(runs) == 1 else comparison_markdown(runs)
    documents = [to_json(run.report) for run in runs]
    return documents[0] if len(documents) == 1 else "[\n" + ",\n".join(documents) + "\n]"
