"""Several limits, one engine each: from the highest to the lowest, on the same table, answers and scores.

Those are kept in the cache by their content, so that every run behind the first finds them. Each student is cut out of
the one before: its training goes on where that of the higher limit ended. The time budget is shared evenly.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compressor.errors import ExitCode, InfeasibleError, InputError
from compressor.export import check_output
from compressor.pipeline.run import compress
from compressor.records.family import FAMILY_FILE, Family, Member, check_family
from compressor.records.observer import Observer
from compressor.records.request import Assistant, CompressRequest
from compressor.records.serial import save
from compressor.records.units import format_ms
from compressor.report import draw_family

PICTURE = "frontier.svg"
# The gravest of the members' ends is that of the family.
GRAVITY = (ExitCode.MISSED, ExitCode.INFEASIBLE, ExitCode.INCONCLUSIVE, ExitCode.MET)


def compress_family(
    request: CompressRequest,
    limits_ms: Sequence[float],
    output: Path,
    *,
    cache: Path,
    observer: Observer,
    command: tuple[str, ...] = (),
    force: bool = False,
    fresh: bool = False,
) -> Family:
    """A bundle for every limit in a folder of its own, `family.json` and a picture of accuracy against latency.

    Args:
        request: What is wanted; its own limit does not matter.
        limits_ms: The limits.
        output: Folder of the bundles.
        cache: Folder of runs, tables, answers and scores.
        observer: Who is told.
        command: The words of the command line, where there was one.
        force: Replace what is at `output`.
        fresh: Forget what earlier, interrupted runs had done.

    Raises:
        InputError: A limit is there twice, or something given cannot be used.
        UnavailableError: The target is not this device.
    """
    limits = sorted(limits_ms, reverse=True)
    if len(set(limits)) < len(limits):
        raise InputError(f"--max-latency: expected different limits, got {', '.join(map(format_ms, limits))}")
    names = [_name(limit) for limit in limits]
    if not _interrupted(output, names):
        check_output(output, force=force)
    members: list[Member] = []
    assistant: Assistant | None = None
    shared = False  # tables, answers and scores of this family are in the cache
    for number, (limit_ms, name) in enumerate(zip(limits, names, strict=True)):
        observer.note(f"limit {number + 1} of {len(limits)}: {format_ms(limit_ms)}")
        share = replace(
            request,
            budget=replace(request.budget, max_latency_ms=limit_ms),
            assistant=assistant,
            time_budget_s=request.time_budget_s / len(limits),  # known before the run, which is found again by it
        )
        try:
            outcome = compress(
                share,
                output / name,
                cache=cache,
                observer=observer,
                command=command,
                force=True,
                fresh=fresh,
                fresh_caches=not shared,
            )
        except InfeasibleError as error:
            observer.note(str(error))
            members.append(Member(limit_ms, int(ExitCode.INFEASIBLE), None, None, str(error)))
            continue
        members.append(Member(limit_ms, int(outcome.exit_code), name, outcome.report))
        assistant = outcome.student or assistant
        shared = shared or any(time.stage == "score" for time in outcome.report.stages)
    family = check_family(Family(tuple(members)))
    output.mkdir(parents=True, exist_ok=True)
    if any(member.report for member in members):
        draw_family(family, output / PICTURE)
    save(family, output / FAMILY_FILE)
    return family


def family_exit_code(family: Family) -> ExitCode:
    """The gravest of the members'."""
    ends = {ExitCode(member.exit_code) for member in family.members}
    return next(code for code in GRAVITY if code in ends)


def _name(limit_ms: float) -> str:
    """Of a member's folder: `1.5ms`."""
    return f"{limit_ms:g}ms"


def _interrupted(output: Path, names: Sequence[str]) -> bool:
    """Whether nothing but members of an unfinished family is there."""
    return output.is_dir() and {entry.name for entry in output.iterdir()} <= set(names)
