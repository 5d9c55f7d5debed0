"""The stage that finds architectures: the wanted search and the plain ones, each confirmed by measurements."""

import time
from collections.abc import Callable
from dataclasses import replace

from compressor.errors import InfeasibleError
from compressor.pipeline.percentile import fresh_percentile
from compressor.pipeline.stages import source_encoder
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture
from compressor.records.latency import LatencySummary, LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Candidate, Confirmed, Finalists, Ladder, Prepared, check_finalists
from compressor.records.units import format_ms
from compressor.search import PLAIN, Searcher, SearchProblem, Solution, get_searcher
from compressor.search.caching import search_cached
from compressor.search.confirm import Confirmation, Trial, confirm, planned_percentile
from compressor.space import inherit, student_architecture

WATCH_SECONDS = 3.0
# Where others use the machine too, the tail of the coming minutes is planned to be at least this long: 1.07 to 1.41
# were met within an hour (95 %), and students that were confirmed at 1.1 to 1.2 missed their limit after the training.
SHARED_TAIL = 1.25
CONFIRM_SECONDS, CONFIRM_PROCESSES = 6.0, 3
# Of the time budget: what the finalists of the plain searches may take, at the pace of the first.
FINALISTS_SHARE = 0.06

Measure = Callable[[Solution], tuple[LatencySummary, float]]


def search(
    bench: Workbench,
    prepared: Prepared,
    ladder: Ladder,
    table: LatencyTable,
    space: ScoredSpace,
    *,
    limit_ms: float,
    race: bool,
    parent: Candidate | None = None,
    tails: tuple[float, ...] = (),
) -> Finalists:
    """Architectures whose measured latency keeps the limit: the one with the least damage, and the best plain ones.

    On a shared machine the tail of a few seconds says little about the next minutes. So the planned percentile that a
    trial is judged by is the one that was measured, or its median times the longest tail of the run if that is more.

    Args:
        bench: What all stages share.
        prepared: Names the workload.
        ladder: Names the precision and the options.
        table: Costs of the ops.
        space: Levels and damages.
        limit_ms: The promise.
        race: Whether there are other finalists than that of the wanted search.
        parent: What is cut, the one that was scored; None = the teacher.
        tails: Planned percentile over median, where it was measured before.
    """
    rung = ladder.fastest
    percentile = planned_percentile(bench.request.budget.percentile)
    teacher = bench.teacher_model(rung.precision)
    watched = fresh_percentile(bench, teacher, rung.options, prepared.workload, WATCH_SECONDS, percentile=percentile)
    seen = [rung.tail, *tails, _tail(*watched)]
    if bench.device.shared:
        seen.append(SHARED_TAIL)
    measure = _measure(bench, prepared, ladder, space, seen, parent=parent)
    shape = source_encoder(bench, parent).architecture
    problem = SearchProblem(shape, space, table, limit_ms * 1e3)
    return find(bench, problem, measure, lambda: max(seen), race=race)


def sketch(
    bench: Workbench, prepared: Prepared, ladder: Ladder, table: LatencyTable, space: ScoredSpace, *, limit_ms: float
) -> Finalists:
    """The architecture whose predicted latency keeps a limit, timed once for the record: an assistant is never run.

    Args:
        bench: What all stages share.
        prepared: Names the workload.
        ladder: Names the precision and the options.
        table: Costs of the ops.
        space: Levels and damages.
        limit_ms: About what the promised percentile would be.
    """
    median_us = 1e3 * limit_ms / ladder.fastest.tail
    shape = bench.canonical.architecture
    problem = SearchProblem(shape, space, table, median_us / table.calibration.scale)
    solution = search_cached(problem, get_searcher(bench.request.search))
    summary, reached_ms = _measure(bench, prepared, ladder, space, [], parent=None)(solution)
    trial = Trial(solution, table.calibration.scale * solution.cost_us / 1e3, summary, reached_ms)
    _reporter(bench, problem)(trial)
    return check_finalists(Finalists((bench.request.search,), (_record(problem, Confirmation(trial, 1, table)),)))


def find(
    bench: Workbench, problem: SearchProblem, measure: Measure, tail: Callable[[], float], *, race: bool
) -> Finalists:
    """The wanted search and, for a race, the plain ones; each confirmed, and on a table that the first recalibrated.

    Args:
        bench: Names the search.
        problem: Its limit is the promise.
        measure: Builds and times a solution.
        tail: Judged percentile over median, as it is known when a search begins.
        race: Whether there are other finalists, where there is time.
    """
    wanted = bench.request.search
    report = _reporter(bench, problem)

    def confirmed(finder: Searcher, table: LatencyTable) -> Confirmation:
        task, limit_ms = replace(problem, table=table), problem.limit_us / 1e3
        return confirm(task, finder, measure, limit_ms=limit_ms, tail=tail(), report=report)

    begin = time.monotonic()
    found = {wanted: confirmed(get_searcher(wanted), problem.table)}
    others = PLAIN if race else {}
    if len(others) * (time.monotonic() - begin) > FINALISTS_SHARE * bench.request.time_budget_s:
        bench.observer.note("no other finalists: the time budget has no room for them")
        others = {}
    for name, finder in others.items():
        try:
            found[name] = confirmed(finder, found[wanted].table)
        except InfeasibleError as error:
            bench.observer.note(f"no finalist from {name}: {error}")
    return check_finalists(_distinct({name: _record(problem, one) for name, one in found.items()}))


def _measure(
    bench: Workbench,
    prepared: Prepared,
    ladder: Ladder,
    space: ScoredSpace,
    seen: list[float],
    *,
    parent: Candidate | None,
) -> Measure:
    """Builds and times a solution: (summary, planned percentile); its tail is added to those that were `seen`."""
    rung, source = ladder.fastest, source_encoder(bench, parent)

    def measure(solution: Solution) -> tuple[LatencySummary, float]:
        student = inherit(source, space.cut(solution.widths))
        found = fresh_percentile(
            bench,
            apply_precision(student.emit(), rung.precision).SerializeToString(),
            rung.options,
            prepared.workload,
            CONFIRM_SECONDS,
            processes=CONFIRM_PROCESSES,
            percentile=planned_percentile(bench.request.budget.percentile),
        )
        seen.append(_tail(*found))
        return found[0], max(seen) * found[0].p50_ms

    return measure


def _reporter(bench: Workbench, problem: SearchProblem) -> Callable[[Trial], None]:
    def report(trial: Trial) -> None:
        bench.run.measured("search", "trial", trial)
        shape = problem.source.with_layers(trial.solution.widths)
        bench.observer.note(
            f"built {_in_words(shape)}: predicted {format_ms(trial.predicted_ms)}, measured "
            f"{format_ms(trial.latency.p50_ms)}; {format_ms(trial.reached_ms)} with the longest tail so far"
        )

    return report


def _record(problem: SearchProblem, found: Confirmation) -> Confirmed:
    trial = found.trial
    cut = problem.space.cut(trial.solution.widths)
    return Confirmed(
        widths=trial.solution.widths,
        cut=cut,
        architecture=student_architecture(problem.source, cut),
        damage=trial.solution.damage,
        predicted_ms=trial.predicted_ms,
        latency=trial.latency,
        rounds=found.rounds,
        calibration=found.table.calibration.scale,
    )


def _distinct(found: dict[str, Confirmed]) -> Finalists:
    """Every architecture once, under the name of the first search that found it."""
    first: dict[Architecture, str] = {}
    for name, student in found.items():
        first.setdefault(student.architecture, name)
    names = tuple(first.values())
    return Finalists(names, tuple(found[name] for name in names))


def _tail(summary: LatencySummary, reached_ms: float) -> float:
    return reached_ms / summary.p50_ms


def _in_words(shape: Architecture) -> str:
    return " ".join(f"{layer.heads}/{layer.neurons}" for layer in shape.layers)
