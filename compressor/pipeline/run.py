"""The pipeline: a flat list of stages, from the least invasive candidate to the most.

prepare -> ladder -> [table -> label -> score -> search -> race -> distil] -> export -> verify -> compare -> report
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from compressor.distill.objectives import by_assistant, completed, needs_of
from compressor.errors import ExitCode, InfeasibleError, InputError, ResourceError
from compressor.export import check_output, move_into_place
from compressor.pipeline import distilling, finishing, stages
from compressor.pipeline.cutting import Cutter, Student
from compressor.pipeline.exhaustion import exhaustion_explained
from compressor.pipeline.forecast import forecast
from compressor.pipeline.objectives import check_losses
from compressor.pipeline.plan import Plan, make_plan, with_teaching
from compressor.pipeline.runner import Runner, check_stage
from compressor.pipeline.starting import check_starts
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
from compressor.report import command_words
from compressor.search import kind_of
from compressor.search.confirm import planned_tail

MAX_EVALUATION_READS = 3
LATENCY_REASONS = {Reason.LATENCY_OVER_LIMIT, Reason.LATENCY_UNDECIDED}
BEST_FIRST = (Verdict.MET, Verdict.INCONCLUSIVE, Verdict.UNVERIFIED, Verdict.MISSED)
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
    fresh_caches: bool = True,
    stop_after: str | None = None,
    command: tuple[str, ...] = (),
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
        fresh_caches: Whether `fresh` is also for tables, answers and scores, which different runs share.
        stop_after: Name of the last stage.
        command: Words of the command that asks for it, for the report; left out: made of the request.

    Raises:
        InputError: Something given cannot be used.
        InfeasibleError: Nothing can keep the limit.
        UnavailableError: The target is not this device.
        ResourceError: Disk or memory do not suffice.
        StoppedError: `stop_after` was reached.
    """
    check_output(output, force=force)
    check_request(request)
    bench = Workbench(request, cache=cache, observer=observer, fresh=fresh and fresh_caches)
    bench.check_target()
    check_stage(stop_after)
    with exhaustion_explained({"the cache": cache, "--output": output.parent}):
        provide_teacher(bench)
        bench.check_memory()
        trim_words(bench)
        check_starts(bench)
        with bench.run.held(fresh=fresh):
            run = Runner(bench.run, observer, stop_after=stop_after)
            candidate, report = _run(bench, run, command or command_words(request, output))
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


@dataclass(frozen=True)
class _Verified:
    """A candidate whose bundle was made and checked."""

    candidate: Candidate
    manifest: Manifest
    verification: Verification

    @property
    def faults(self) -> tuple[int, bool, float]:
        """Smaller is better: the verdict, then whether accuracy is what was missed, then the points that are lost."""
        accuracy = self.verification.accuracy
        verdict = BEST_FIRST.index(self.verification.verdict)
        return verdict, accuracy.verdict is not Verdict.MET, accuracy.drop_points


def _run(bench: Workbench, run: Runner, command: tuple[str, ...]) -> tuple[Candidate, Report]:
    """All stages; what ships and its report."""
    check_losses(bench)
    prepared = run.stage("prepare", Prepared, lambda: stages.prepare(bench))
    if not bench.run.finished("ladder"):
        bench.observer.note(f"plan: {make_plan(bench).summary}")
    ladder = run.stage("ladder", Ladder, lambda: stages.climb_ladder(bench, prepared))
    verified: list[_Verified] = []
    for candidate in _candidates(bench, run, prepared, ladder, verified):
        tag = candidate.tag
        manifest = run.stage("export", Manifest, partial(finishing.export, bench, prepared, candidate), tag=tag)
        verification = run.stage("verify", Verification, partial(finishing.verify, bench, candidate), tag=tag)
        verified.append(_Verified(candidate, manifest, verification))
        if verification.verdict is Verdict.MET or len(verified) == MAX_EVALUATION_READS:
            break
    best = min(verified, key=lambda one: one.faults)
    if len(verified) > 1:
        bench.observer.note(
            f"the best of {len(verified)} candidates ships: {best.candidate.name}, {best.verification.verdict}, "
            f"drop {best.verification.accuracy.drop_points:+.2f} points"
        )
    return best.candidate, _reported(
        bench, run, prepared, ladder, best, evaluation_reads=len(verified), command=command
    )


def _reported(
    bench: Workbench,
    run: Runner,
    prepared: Prepared,
    ladder: Ladder,
    best: _Verified,
    *,
    evaluation_reads: int,
    command: tuple[str, ...],
) -> Report:
    """The teacher beside what ships, and the report of it."""
    candidate, tag = best.candidate, best.candidate.tag
    comparison = run.stage(
        "compare", Comparison, lambda: finishing.compare(bench, prepared, ladder, candidate), tag=tag
    )
    report = run.stage(
        "report",
        Report,
        lambda: finishing.report(
            bench,
            prepared,
            candidate,
            best.manifest,
            best.verification,
            comparison,
            tuple(run.times),
            evaluation_reads=evaluation_reads,
            command=command,
        ),
        tag=tag,
    )
    if any(time.cached for time in run.times if time.stage == f"verify{tag}"):
        bench.observer.note(
            f"the promises were measured at {report.date}, by an earlier start of this command; --fresh measures them "
            "again"
        )
    return report


def _candidates(
    bench: Workbench, run: Runner, prepared: Prepared, ladder: Ladder, verified: list[_Verified]
) -> Iterator[Candidate]:
    """Candidates, the least invasive first; each is only made when those before it have failed.

    A student whose only fault is its latency (the machine's tail was longer than in all of the run before) is cut a
    little further, for the tail that was met now, and trained on for a while. Where no student can be made behind a
    candidate that was, that is the end of them, and no error.
    """
    limit_ms = bench.request.budget.max_latency_ms
    if limit_ms is None:
        yield from _walk(bench, run, prepared, ladder)
        return
    for rung in ladder.rungs:
        if rung.keeps_latency and rung.keeps_accuracy and rung.keeps_size:
            yield _unpruned(rung)
    if verified and bench.teacher.architecture is None:
        return
    cutter = Cutter(bench, run, prepared, ladder)
    first = partial(cutter.student, limit_ms, tag="")
    made = _another(bench, first, tag="") if verified else first()
    while made is not None:
        student, _ = made
        yield student
        tag = f"-{len(verified) + 1}"
        if not set(verified[-1].verification.reasons) <= LATENCY_REASONS or not _time_for(
            bench, f"repair{tag}", distilling.REPAIR_SECONDS
        ):
            return
        met = [one.verification.latency.summary for one in verified]
        bench.observer.note(
            f"p95 was {format_ms(met[-1].p95_ms)}, with a tail of {met[-1].p95_ms / met[-1].p50_ms:.2f}: the student "
            "is cut a little further"
        )
        tails = tuple(planned_tail(summary, bench.request.budget.percentile) for summary in met)
        made = _another(bench, partial(cutter.cut_further, student, limit_ms, tag=tag, tails=tails), tag=tag)


def _another(bench: Workbench, make: Callable[[], Student], *, tag: str) -> Student | None:
    """One more student, where there are candidates already; None = there can be none.

    That none keeps its limit is written down: a continuation, measuring again, might find one after all. More memory
    may be there by then, so that it ran out is not.
    """
    why = bench.run.chosen(f"end{tag}")
    if why is None:
        try:
            return make()
        except InfeasibleError as error:
            message = str(error)
            why = bench.run.choose(f"end{tag}", lambda: message)
        except ResourceError as error:
            why = str(error)
    bench.observer.note(f"no further student: {why}")
    return None


def _as_assistant(bench: Workbench, candidate: Candidate) -> Assistant | None:
    """A student of the teacher; one of another network has levels of its own and assists nobody."""
    student = candidate.student
    if student is None or student.table or (student.source and student.source.root != bench.root.architecture):
        return None
    return Assistant(str(stages.weights_path(bench, candidate.tag)), student.architecture)


def _unpruned(rung: Rung) -> Candidate:
    tag = f"-teacher-{rung.precision}" + ("-mixed" if rung.kept else "")
    return Candidate(rung.name, tag, rung.precision, rung.options, kept=rung.kept)


def _walk(bench: Workbench, run: Runner, prepared: Prepared, ladder: Ladder) -> list[Candidate]:
    """No limit was given: what keeps the accuracy budget on the selection split, the fastest first.

    The limit is halved as long as the student keeps the budget and there is time for another one. What loses too much
    on the evaluation split after all has those behind it that were halved less, and then the teacher itself.
    """
    kept = [rung for rung in ladder.rungs if rung.keeps_accuracy and rung.keeps_size] or [ladder.rungs[0]]
    found = [_unpruned(rung) for rung in sorted(kept, key=lambda rung: rung.latency.p50_ms)]
    if bench.teacher.architecture is None:
        return found
    cutter, spent = Cutter(bench, run, prepared, ladder), 0.0
    for share in WALK:
        part = f"-1-{round(1 / share)}"
        if not _time_for(bench, f"walk{part}", spent + distilling.FINISHING_SECONDS):
            bench.observer.note("the time budget ends the walk to lower limits")
            break
        begin = bench.elapsed
        made = _another(bench, partial(cutter.student, share * ladder.fastest.latency.p95_ms, tag=part), tag=part)
        if made is None:
            break
        student, distilled = made
        if distilled.drop_points > bench.request.budget.max_accuracy_drop_points:
            break
        found.insert(0, student)
        spent = bench.elapsed - begin
    return found


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
        check_starts(bench)
        check_losses(bench)
        plan = replace(make_plan(bench), forecast=forecast(bench))
    return with_teaching(plan, epochs=EPOCHS, share=SHARE_OF_BUDGET) if needed else plan
