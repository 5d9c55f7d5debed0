"""What a user sees: live stages on a terminal, plain lines in a pipe, JSON for machines."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from compressor.cli.interruption import Interruptible
from compressor.cli.lines import Lines
from compressor.records.family import Family
from compressor.records.observer import Silent
from compressor.records.profile import DeviceFingerprint
from compressor.records.results import Report, Verification
from compressor.records.serial import to_dict, to_json
from compressor.records.units import format_bytes, format_ms, format_seconds
from compressor.report import (
    FAMILY_HEADER,
    HEADER,
    cells,
    disturbed,
    family_cells,
    plain_table,
    promises,
    provenance,
    verdict_line,
)


def make_observer(*, quiet: bool, to_stderr: bool, brief: bool = False) -> Interruptible:
    """The observer that suits where the output goes.

    Args:
        quiet: Show nothing.
        to_stderr: Leave standard output to the result.
        brief: In a pipe show only what takes longer than two seconds, and on a terminal leave nothing behind.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    if quiet:
        return Interruptible(_Quiet())
    return Interruptible(_Live(stream, brief=brief) if stream.isatty() else Lines(stream, brief=brief))


@contextmanager
def one_stage(stage: str, text: str, *, brief: bool = False) -> Iterator[Interruptible]:
    """Watch a command that is one stage, on standard error; see `make_observer`."""
    with closing(make_observer(quiet=False, to_stderr=True, brief=brief)) as observer:
        begin = time.monotonic()
        observer.begin(stage, text)
        yield observer
        observer.end(stage, time.monotonic() - begin, cached=False)


class _Quiet(Silent):
    def close(self) -> None:
        """Nothing was taken."""


class _Live:
    """Stages with a bar and the time that is left."""

    def __init__(self, stream: IO[str], *, brief: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = Console(file=stream)
        columns: tuple[Any, ...] = (
            TextColumn("{task.fields[mark]} [bold]{task.fields[stage]:<8}[/] {task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self._progress = Progress(*columns, console=self._console, transient=brief)
        self._task: Any = None
        self._progress.start()

    def begin(self, stage: str, text: str) -> None:
        self._task = self._progress.add_task(text, total=1.0, stage=stage, mark=" ", text="")

    def progress(self, share: float, text: str = "") -> None:
        self._progress.update(self._task, completed=share, text=text)

    def note(self, text: str) -> None:
        self._progress.console.print(f"    {text}", style="dim", highlight=False, markup=False)

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        text = "from an earlier run" if cached else ""
        self._progress.update(self._task, completed=1.0, mark="[green]✓[/]", text=text)

    def close(self) -> None:
        self._progress.stop()


def print_report(report: Report, bundle: Path, *, as_json: bool) -> None:
    """The closing table, the promises and the verdict."""
    if as_json:
        print(to_json(report))
        return
    if sys.stdout.isatty():
        _print_rich(report)
    else:
        print("\n" + plain_table(HEADER, cells(report)))
    for line in (*promises(report), *report.notes, provenance(report), f"bundle: {bundle}", verdict_line(report)):
        print(line)


def print_family(family: Family, folder: Path, *, as_json: bool) -> None:
    """One line per limit, and where the engines and the picture are."""
    if as_json:
        print(to_json(family))
        return
    print("\n" + plain_table(FAMILY_HEADER, family_cells(family)))
    print(f"bundles, family.json and frontier.svg: {folder}")


def _print_rich(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{report.task.metric} on `{report.task.eval_split}`")
    for name in HEADER:
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in cells(report):
        table.add_row(*row, style="bold" if row[0] == report.chosen else None)
    Console().print(table)


def print_verification(
    verification: Verification, changes: list[str], here: DeviceFingerprint, notes: tuple[str, ...], *, as_json: bool
) -> None:
    """Each check with its verdict, on which device, and what makes that less steady than it could be."""
    if as_json:
        more = {"changes": changes, "device": to_dict(here), "notes": notes}
        print(json.dumps({**more, **to_dict(verification)}, indent=1))
        return
    latency, accuracy = verification.latency, verification.accuracy
    limit = "no limit" if latency.limit_ms is None else f"limit {format_ms(latency.limit_ms)}"
    rows = [
        ("numerics", str(verification.numerics.verdict), f"{verification.numerics.engine_difference:.2g} from record"),
        ("accuracy", str(accuracy.verdict), f"{accuracy.points:.2f}, drop {accuracy.drop_points:.2f} points"),
        (
            "latency",
            str(latency.verdict),
            f"p95 {format_ms(latency.summary.p95_ms)}, {limit}; {disturbed(latency.summary)}",
        ),
        ("size", str(verification.size.verdict), format_bytes(verification.size.engine_bytes)),
    ]
    print(plain_table(("check", "verdict", "measured"), rows))
    for line in (*changes, *notes):
        print(line)
    print(f"verdict: {verification.verdict}")


def print_plan(plan: Any, *, as_json: bool) -> None:
    """Stages with their estimates."""
    if as_json:
        print(json.dumps(to_dict(plan), indent=1))
        return
    rows = [(s.name, format_seconds(s.seconds), "if needed" if s.if_needed else "always") for s in plan.stages]
    print(plain_table(("stage", "about", "runs"), rows))
    print(plan.forecast.summary)
    print(plan.summary)
