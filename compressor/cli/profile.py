"""`compressor profile`: the latency tables of a target, for people and machines."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.api import load_pipeline, user_cache
from compressor.cli.commands import Quiet
from compressor.cli.parsing import parse_lengths, parse_precisions
from compressor.errors import ExitCode, InputError

if TYPE_CHECKING:
    from compressor.records.observer import Observer
    from compressor.records.profiling import Profiled


def profile(
    target: Annotated[str, typer.Option(help="A profile's name (`compressor targets`) or FILE.yaml.")] = "cpu",
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Whose cuts it covers: a folder (its config.json is enough), a model of the hub, or an alias; "
            "left out: MiniLM-L6-H384."
        ),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Rows per run; left out: 1.")] = None,
    sequence_length: Annotated[str | None, typer.Option(help="In tokens; left out: 16,32,64,128.")] = None,
    threads: Annotated[int | None, typer.Option(help="Left out: all that the process may use.")] = None,
    precision: Annotated[str | None, typer.Option(help="Left out: fp32,int8 as far as the target has them.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print every entry, and draw cost against width.")] = False,
    export: Annotated[Path | None, typer.Option(help="Also write the tables to this file.")] = None,
    import_file: Annotated[
        Path | None,
        typer.Option("--import", help="Take the tables of such a file, made on a machine of the same fingerprint."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure anew what is kept from earlier.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Every entry as JSON on standard output.")] = False,
    quiet: Quiet = False,
) -> int:
    """Build the latency tables of a target: the cost of every op of a student.

    compressor profile --target cpu --sequence-length 32,64 --show
    """
    from compressor.cli.watching import make_observer
    from compressor.records.profiling import DEFAULT_LENGTHS, ProfileRequest

    cache = user_cache()
    wanted = {
        "--teacher": teacher,
        "--batch": batch,
        "--sequence-length": sequence_length,
        "--threads": threads,
        "--precision": precision,
        "--export": export,
        "--fresh": fresh or None,
    }
    with closing(make_observer(quiet=quiet, to_stderr=as_json)) as observer:
        if import_file is not None:
            _refuse_beside_import(wanted)
            found = load_pipeline().import_profile(import_file, target, cache=cache, observer=observer)
        else:
            request = ProfileRequest(
                teacher=None if teacher is None else _config_folder(teacher, cache, observer),
                target=target,
                batch=1 if batch is None else batch,
                sequence_lengths=DEFAULT_LENGTHS if sequence_length is None else parse_lengths(sequence_length),
                threads=threads,
                precisions=None if precision is None else parse_precisions(precision),
                fresh=fresh,
            )
            found = load_pipeline().profile(request, cache=cache, observer=observer, export=export)
        if show:
            found = load_pipeline().draw_profile(found, cache=cache, observer=observer)
    _print(found, show=show, as_json=as_json)
    if export is not None:
        load_pipeline().export_profile(found, export)
        if not as_json:
            typer.echo(f"exported to: {export}")
    return int(ExitCode.MET)


def _config_folder(teacher: str, cache: Path, observer: "Observer") -> str:
    from compressor.hub import config_folder, expand_model

    return str(config_folder(expand_model(teacher), cache=cache, observer=observer))


def _refuse_beside_import(given: Mapping[str, object]) -> None:
    """Refuse flags that ask for tables of their own beside a file that has its tables already.

    Args:
        given: Flag -> its value; None = left out.

    Raises:
        InputError: One was given; the message names it.
    """
    if both := [flag for flag, value in given.items() if value is not None]:
        raise InputError(f"--import takes the tables as they are in the file; leave {', '.join(both)} out")


def _print(found: "Profiled", *, show: bool, as_json: bool) -> None:
    """One JSON document, or a line per table, or with `show` every entry."""
    from compressor.records.serial import to_json
    from compressor.report.latency import summary_line, table_lines

    if as_json:
        typer.echo(to_json(found))
        return
    for table, reused in zip(found.tables, found.reused, strict=True):
        if show:
            typer.echo("\n".join((*table_lines(table, found.notice), "")))
        typer.echo(summary_line(table, reused=reused))
    if found.notice is not None:
        typer.echo(found.notice)
    if found.picture is not None:
        typer.echo(f"picture: {found.picture}")
