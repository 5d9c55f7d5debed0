"""The pipeline: a flat list of stages, from the least invasive candidate to the most.

prepare -> ladder -> [table -> label -> score -> search -> race -> distil] -> export -> verify -> compare -> report
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from compressor.distill.objectives import by_assistant, completed, needs_of
from compressor.errors import ExitCode, InfeasibleError, InputError
from compressor.export import check_output, move_into_place
from compressor.pipeline import distilling, finishing, stages
from compressor.pipeline.cutting import Cutter
from compressor.pipeline.exhaustion import exhaustion_explained
from compressor.pipeline.forecast import forecast
from compressor.pipeline.objectives import check_losses
from compressor.pipeline.plan import Plan, make_plan, with_teaching
from compressor.pipeline.runner import Runner, check_stage
from compressor.pipeline.teaching import EPOCHS, SHARE_OF_BUDGET, provide_teacher, untrained_teacher
from compressor.pipeline.trimming import trim_words
from compressor.pipeline.workbench import Workbench
from compressor.records.observer import Observer
from compressor.records.promise import Reason, Verdict, exit_code
from compressor.records.request import Assistant, CompressRequest
from compressor.records.results import Manifest, Report, Verification
from compressor.records.stages import (
    Candidate,
    Comparison,
    Ladder,
    Prepared,
    Rung,
)
from compressor.records.units import format_ms
from compressor.search import kind_of
from compressor.search.confirm import planned_tail

MAX_EVALUATION_READS = 3
LATENCY_REASONS = {Reason.LATENCY_OVER_LIMIT, Reason.LATENCY_UNDECIDED}
# Without a latency limit: shares of the fastest teacher's latency that are tried one after the other.
WALK = (1 / 2, 1 / 4, 1 / 8, 1 / 16)


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    Attributes:
        report: What was promised and found.
        bundle: Where it is.
        student: What ships, for students of lower limits; None = an unpruned teacher.
    """

    report: Report
    bundle: Path
    student: Assistant | None

    @property
    def exit_code(self) -> ExitCode:
        """Of the command."""
        return exit_code(self.report.verification.verdict)


def compress(
    request: CompressRequest,
    output: Path,
    *,
    cache: Path,
    observer: Observer,
    force: bool = False,
    fresh: bool = False,
    stop_after: str | None = None,
) -> Outcome:
    """Teacher, data, target and budget to a verified bundle.

    A teacher that has no classifier yet is fine-tuned on the data first, within the time budget.

    Args:
        request: What is wanted.
        output: Folder of the bundle.
        cache: Folder of runs and tables.
        observer: Who is told.
        force: Replace what is at `output`.
        fresh: Forget what an earlier, interrupted run had done.
        stop_after: Name of the last stage.

    Raises:
        InputError: Something given cannot be used.
        InfeasibleError: Nothing can keep the limit.
        UnavailableError: The target is not this device.
        ResourceError: Disk or memory do not suffice.
        StoppedError: `stop_after` was reached.
    """
    check_output(output, force=force)
    check_request(request)
    bench = Workbench(request, cache=cache, observer=observer, fresh=fresh)
    bench.check_target()
    check_stage(stop_after)
    with exhaustion_explained({"the cache": cache, "--output": output.parent}):
        provide_teacher(bench)
        bench.check_memory()
        trim_words(bench)
        with bench.run.held(fresh=fresh):
            run = Runner(bench.run, observer, stop_after=stop_after)
            candidate, report = _run(bench, run)
            move_into_place(finishing.bundle_folder(bench, candidate), output)
    return Outcome(report, output, _as_assistant(bench, candidate))


def check_request(request: CompressRequest) -> None:
    """Refuse what cannot go together, before anything is loaded.

    Raises:
        InputError: An unknown search or loss, a recipe that cannot be trained, or a search that does without what
            something else needs.
    """
    kind = kind_of(request.search)
    cuts = kind in ("cuts", "plain")
    if request.starts and not cuts:
        raise InputError(f"--start: --search {request.search} cuts no network; leave one of them out")
    if request.distill is None:
        return
    losses = completed(request.distill)
    if kind == "cells" and "attention scores" in needs_of(losses):
        raise InputError(
            f"--distill {request.distill}: expected no loss on attention scores, which the cells of --search "
            f"{request.search} do not have; set `attention: 0` in a recipe, or leave one of them out"
        )
    if by_assistant(losses) and not cuts:
        raise InputError(
            f"--distill {request.distill}: expected a search of cuts, whose students learn from what they are cut out "
            f"of, and --search {request.search} cuts no network; use vanilla-kd, or leave one of them out"
        )


def _run(bench: Workbench, run: Runner) -> tuple[Candidate, Report]:
    """All stages; what ships and its report."""
    check_losses(bench)
    prepared = run.stage("prepare", Prepared, lambda: stages.prepare(bench))
    if not bench.run.finished("ladder"):
        bench.observer.note(f"plan: {make_plan(bench).summary}")
    ladder = run.stage("ladder", Ladder, lambda: stages.climb_ladder(bench, prepared))
    results: list[Verification] = []
    for candidate in _candidates(bench, run, prepared, ladder, results):
        tag = candidate.tag
        manifest = run.stage("export", Manifest, partial(finishing.export, bench, prepared, candidate), tag=tag)
        verification = run.stage("verify", Verification, partial(finishing.verify, bench, candidate), tag=tag)
        results.append(verification)
        if verification.verdict is Verdict.MET or len(results) == MAX_EVALUATION_READS:
            break
    comparison = run.stage("compare", Comparison, lambda: finishing.compare(bench, prepared, ladder, candidate))
    report = run.stage(
        "report",
        Report,
        lambda: finishing.report(
            bench,
            prepared,
            candidate,
            manifest,
            verification,
            comparison,
            tuple(run.times),
            evaluation_reads=len(results),
        ),
        tag=candidate.tag,
    )
    return candidate, report


def _candidates(
    bench: Workbench, run: Runner, prepared: Prepared, ladder: Ladder, results: list[Verification]
) -> Iterator[Candidate]:
    """Candidates, the least invasive first; each is only made when those before it have failed.

    A student whose only fault is its latency (the machine's tail was longer than in all of the run before) is cut a
    little further, for the tail that was met now, and trained on for a while.
    """
    limit_ms = bench.request.budget.max_latency_ms
    if limit_ms is None:
        yield _walk(bench, run, prepared, ladder)
        return
    for rung in ladder.rungs:
        if rung.keeps_latency and rung.keeps_accuracy and rung.keeps_size:
            yield _unpruned(rung)
    if results and bench.teacher.architecture is None:
        return
    cutter = Cutter(bench, run, prepared, ladder)
    student, _ = cutter.student(limit_ms, tag="")
    yield student
    while set(results[-1].reasons) <= LATENCY_REASONS and _time_for(
        bench, f"repair-{len(results) + 1}", distilling.REPAIR_SECONDS
    ):
        summary = results[-1].latency.summary
        bench.observer.note(
            f"p95 was {format_ms(summary.p95_ms)}, with a tail of {summary.p95_ms / summary.p50_ms:.2f}: the student "
            "is cut a little further"
        )
        tails = tuple(planned_tail(r.latency.summary, bench.request.budget.percentile) for r in results)
        try:
            student, _ = cutter.cut_further(student, limit_ms, tag=f"-{len(results) + 1}", tails=tails)
        except InfeasibleError as error:
            bench.observer.note(str(error))
            return
        yield student


def _as_assistant(bench: Workbench, candidate: Candidate) -> Assistant | None:
    """A student of the teacher; one of another network has levels of its own and assists nobody."""
    student = candidate.student
    if student is None or student.table or (student.source and student.source.root != bench.root.architecture):
        return None
    return Assistant(str(stages.weights_path(bench, candidate.tag)), student.architecture)


def _unpruned(rung: Rung) -> Candidate:
    tag = f"-teacher-{rung.precision}" + ("-mixed" if rung.kept else "")
    return Candidate(rung.name, tag, rung.precision, rung.options, kept=rung.kept)


def _walk(bench: Workbench, run: Runner, prepared: Prepared, ladder: Ladder) -> Candidate:
    """No limit was given: the fastest candidate that keeps the accuracy budget on the selection split.

    The limit is halved as long as the student keeps the budget and there is time for another one.
    """
    kept = [rung for rung in ladder.rungs if rung.keeps_accuracy and rung.keeps_size] or [ladder.rungs[0]]
    rung = min(kept, key=lambda r: r.latency.p50_ms)
    best = _unpruned(rung)
    cutter, spent = Cutter(bench, run, prepared, ladder), 0.0
    for share in WALK:
        if not _time_for(bench, f"walk-1-{round(1 / share)}", spent + distilling.FINISHING_SECONDS):
            bench.observer.note("the time budget ends the walk to lower limits")
            break
        begin = bench.elapsed
        limit_ms = share * ladder.fastest.latency.p95_ms
        try:
            student, distilled = cutter.student(limit_ms, tag=f"-1-{round(1 / share)}")
        except InfeasibleError as error:
            bench.observer.note(str(error))
            break
        if distilled.drop_points > bench.request.budget.max_accuracy_drop_points:
            break
        best, spent = student, bench.elapsed - begin
    return best


def _time_for(bench: Workbench, name: str, seconds: float) -> bool:
    """Whether the time budget has room for that much more, decided once and for all continuations of the run."""
    return bench.run.choose(name, lambda: int(bench.seconds_left > seconds)) == 1


def plan_for(request: CompressRequest, *, cache: Path, observer: Observer) -> Plan:
    """What a run would do, take and probably ship; nothing is kept but a teacher that is downloaded or trimmed for it.

    Raises:
        InputError: Something given cannot be used.
        UnavailableError: The target is not this device.
        ResourceError: The teacher does not fit into memory.
    """
    check_request(request)
    bench = Workbench(request, cache=cache, observer=observer)
    bench.check_target()
    with untrained_teacher(bench) as needed:
        bench.check_memory()
        trim_words(bench)
        check_losses(bench)
        plan = replace(make_plan(bench), forecast=forecast(bench))
    return with_teaching(plan, epochs=EPOCHS, share=SHARE_OF_BUDGET) if needed else plan
