"""`compressor gate`: may this bundle take the place of that one?"""

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.errors import ExitCode

if TYPE_CHECKING:
    from compressor.records.gate import GateVerdict


class Undecided(StrEnum):
    """What an inconclusive gate counts as."""

    PASS = "pass"
    FAIL = "fail"


def gate(
    base: Annotated[Path, typer.Option(help="Bundle that is in use, or the --json of an earlier gate.")],
    head: Annotated[Path, typer.Option(help="Bundle that is to take its place.")],
    max_regression: Annotated[
        str, typer.Option(help="Share by which the head may be slower; without a clock, take more operations.")
    ] = "5%",
    max_latency: Annotated[str | None, typer.Option(help="Limit that the head must keep too, such as 5ms.")] = None,
    max_accuracy_drop: Annotated[
        float | None, typer.Option(help="Points below its teacher; left out: the smaller budget of the two.")
    ] = None,
    max_size: Annotated[str | None, typer.Option(help="Engine and tokenizer, such as 20MB.")] = None,
    seconds: Annotated[
        str, typer.Option("--time", help="At most, for the engines in turn; 0s: only what needs no clock.")
    ] = "60s",
    table: Annotated[
        Path | None, typer.Option(help="Tables of another target (`compressor profile --export`), to predict both.")
    ] = None,
    inconclusive: Annotated[
        Undecided | None, typer.Option(help="Left out: exit code 6 where noise leaves it open.")
    ] = None,
    label: Annotated[str, typer.Option(help="Name of the head in --record, such as a commit.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON: the --base of a later gate.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write a comment for a pull request here.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Add a line to this .jsonl and draw the trend beside it.")
    ] = None,
) -> int:
    """Compare two bundles, timed in turn: pass, fail or inconclusive.

    compressor gate --base released --head candidate --max-regression 5%
    """
    from compressor.cli.watching import make_observer
    from compressor.gate import GateOutputs, GateRequest
    from compressor.gate import gate as compare
    from compressor.records.gate import GateLimits, settled
    from compressor.records.serial import to_json
    from compressor.records.units import parse_bytes, parse_milliseconds
    from compressor.report.gate import gate_lines

    limits = GateLimits(
        max_regression=_share(max_regression),
        max_latency_ms=None if max_latency is None else parse_milliseconds(max_latency),
        max_accuracy_drop_points=max_accuracy_drop,
        max_size_bytes=None if max_size is None else parse_bytes(max_size),
    )
    request = GateRequest(base, head, limits, seconds=_seconds(seconds), table=table, label=label)
    outputs = GateOutputs(junit=junit, markdown=markdown, record=record)
    outputs.check()
    with closing(make_observer(quiet=False, to_stderr=True)) as observer:
        result = settled(compare(request, observer=observer), _counts_as(inconclusive))
    typer.echo(to_json(result) if as_json else "\n".join(gate_lines(result)))
    for note in outputs.write(result):
        typer.echo(f"compressor: {note}", err=True)
    return int(_exit_code(result.verdict))


def _counts_as(inconclusive: Undecided | None) -> "GateVerdict":
    from compressor.records.gate import GateVerdict

    return GateVerdict.INCONCLUSIVE if inconclusive is None else GateVerdict(inconclusive.value)


def _exit_code(verdict: "GateVerdict") -> ExitCode:
    from compressor.records.gate import GateVerdict

    codes = {
        GateVerdict.PASS: ExitCode.MET,
        GateVerdict.FAIL: ExitCode.MISSED,
        GateVerdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
        GateVerdict.UNMEASURED: ExitCode.INCONCLUSIVE,
    }
    return codes[verdict]


def _share(text: str) -> float:
    """`5%` -> 0.05; a promise of no regression at all could never be proved."""
    from compressor.records.units import parse_percent

    return parse_percent(text, "--max-regression") / 100


def _seconds(text: str) -> float:
    """`60s` -> 60.0, and `0s` -> 0.0."""
    from compressor.records.units import parse_seconds

    return 0.0 if text.strip() == "0s" else parse_seconds(text, "--time")
