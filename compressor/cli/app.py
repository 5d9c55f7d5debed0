"""Commands and how they end."""

import json
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from compressor import __version__
from compressor.cli.bench import bench
from compressor.cli.commands import compress, demo, finetune, predict, targets, verify
from compressor.cli.doctor import doctor
from compressor.cli.gate import gate
from compressor.cli.interruption import listen
from compressor.cli.methods import methods
from compressor.cli.profile import profile
from compressor.cli.report import report
from compressor.errors import CompressorError, ExitCode, InfeasibleError, TooLargeError

app = typer.Typer(
    name="compressor",
    help="Teacher + device + latency limit -> a smaller engine that keeps its promises there.\n\n"
    "compressor compress --teacher DIR --data DIR --max-latency 1.5ms",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(compress)
app.command()(finetune)
app.command()(demo)
app.command()(targets)
app.command()(methods)
app.command()(profile)
app.command()(verify)
app.command()(predict)
app.command()(bench)
app.command()(gate)
app.command()(report)
app.command()(doctor)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"compressor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code (docs/design.md, section 1)."""
    listen()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code instead of exiting."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except CompressorError as error:
        _show(error, as_json="--json" in (sys.argv if arguments is None else arguments))
        return int(error.exit_code)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except Exception as error:
        # click's own errors (unknown flag, missing argument) know how to show themselves.
        if (show := getattr(error, "show", None)) is not None:
            show()
            return int(ExitCode.USAGE)
        raise
    if code == ExitCode.INTERRUPTED:  # typer's own answer to Ctrl-C
        print("compressor: interrupted; the same command continues where it was", file=sys.stderr)
    return int(code or 0)


def _show(error: CompressorError, *, as_json: bool) -> None:
    """The error for people, and for machines where they asked for JSON."""
    from compressor.records.units import format_bytes, format_ms

    facts: dict[str, object] = {"exit_code": int(error.exit_code), "error": str(error)}
    print(f"compressor: {error}", file=sys.stderr)
    if isinstance(error, TooLargeError):
        facts |= {"missing_bytes": error.missing_bytes}
        print(f"nearest feasible size: {format_bytes(error.missing_bytes)} more", file=sys.stderr)
    elif isinstance(error, InfeasibleError):
        facts |= {"nearest_ms": error.nearest_ms, "cost": error.cost}
        print(f"nearest feasible limit: {format_ms(error.nearest_ms)}, at the cost of {error.cost}", file=sys.stderr)
    if as_json:
        print(json.dumps(facts))
