"""`compressor report`: what a run found, as a page, as Markdown or as JSON; of one bundle or comparing two."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.errors import ExitCode, InputError

if TYPE_CHECKING:
    from compressor.records.results import Report


class Format(StrEnum):
    """How it is written."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


def report(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    other: Annotated[Path | None, typer.Argument(help="Another, to compare it with.")] = None,
    form: Annotated[Format, typer.Option("--format", help="A page, Markdown, or JSON.")] = Format.HTML,
    output: Annotated[Path | None, typer.Option(help="File; left out: report.html here, or standard output.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
) -> int:
    """Show what a run found: verdict, evidence, and how to do it again.

    compressor report bundle --open
    """
    from compressor.records.writing import write_text

    reports = [_read(folder) for folder in (bundle, other) if folder is not None]
    if show and form is not Format.HTML:
        raise InputError(f"--open shows a page, and --format is {form}; leave one of them out")
    text = _page(bundle, reports) if form is Format.HTML else _text(reports, form)
    if output is None and form is Format.HTML:
        output = Path("report.html")
    if output is None:
        typer.echo(text)
        return int(ExitCode.MET)
    write_text(output, text, "--output")
    typer.echo(f"{output}: {', '.join(str(found.verification.verdict) for found in reports)}")
    if show:
        typer.launch(str(output.resolve()))
    return int(ExitCode.MET)


def _read(folder: Path) -> "Report":
    from compressor.export import REPORT
    from compressor.records.results import Report
    from compressor.records.serial import load

    return load(Report, folder / REPORT)


def _page(bundle: Path, reports: "list[Report]") -> str:
    from compressor.export import EVALUATION, EVIDENCE, EvaluationData
    from compressor.records.evidence import Evidence
    from compressor.records.serial import load
    from compressor.report.page import read_answers, render_comparison, render_page

    evidence = load(Evidence, bundle / EVIDENCE) if (bundle / EVIDENCE).exists() else Evidence()
    if len(reports) > 1:
        return render_comparison(reports, evidence)
    data = EvaluationData.load(bundle / EVALUATION)
    return render_page(reports[0], evidence, read_answers(data, reports[0].task, bundle / "tokenizer.json"))


def _text(reports: "list[Report]", form: Format) -> str:
    from compressor.records.serial import to_json
    from compressor.report import markdown

    if form is Format.MARKDOWN:
        return "\n\n".join(markdown(found) for found in reports)
    documents = [to_json(found) for found in reports]
    return documents[0] if len(documents) == 1 else "[\n" + ",\n".join(documents) + "\n]"
