"""The stage that finds architectures: the wanted search and the plain ones, each confirmed by measurements."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from compressor.distill.recipe import WHOLE
from compressor.errors import InfeasibleError
from compressor.pipeline.distilling import FINISHING_SECONDS, REPAIR_SECONDS
from compressor.pipeline.judging import Judge
from compressor.pipeline.sizes import shipped_bytes
from compressor.pipeline.stages import source_encoder
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import LatencySummary, LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Confirmed, Finalists, Source, check_finalists
from compressor.records.units import format_ms
from compressor.search import Searcher, SearchProblem, Solution, finalists, get_searcher
from compressor.search.confirm import Confirmation, Trial, confirm
from compressor.search.sizing import search_within
from compressor.space import inherit, student_architecture

# Of the time budget: what the finalists of the plain searches may take, at the pace of the first; and what a search
# that trains may take.
FINALISTS_SHARE, SEARCH_SHARE = 0.06, 0.25
# Of a size limit: the runtime's optimiser writes its nodes with a little more.
SIZE_USED = 0.99


@dataclass(frozen=True)
class Stem:
    """What is cut.

    Attributes:
        source: None = the teacher.
        space: What cuts of it cost in accuracy.
        table: What its ops cost in time.
        table_tag: Of its stage.
    """

    source: Source | None
    space: ScoredSpace
    table: LatencyTable
    table_tag: str = ""


Tries = dict[str, tuple[Stem, Searcher]]  # what else is searched, by name


def search(
    bench: Workbench,
    judge: Judge,
    precision: Precision,
    stems: Sequence[Stem],
    *,
    wanted: str,
    limit_ms: float,
    race: bool,
) -> Finalists:
    """Architectures whose measured latency keeps the limit: the one with the least damage, and the best plain ones.

    Args:
        bench: What all stages share.
        judge: Times what is built.
        precision: Of the students.
        stems: What is cut: the first by every search, the others by the wanted one.
        wanted: Name of a search of cuts.
        limit_ms: The promise.
        race: Whether there are other finalists than that of the wanted search, where there is time.

    Raises:
        InfeasibleError: The wanted search finds nothing in any of them.
    """
    first = stems[0]
    begin = time.monotonic()
    found: dict[str, Confirmed] = {}
    refused: list[InfeasibleError] = []
    try:
        confirmation = _confirmed(bench, judge, precision, first, get_searcher(wanted), limit_ms)
    except InfeasibleError as error:
        if len(stems) == 1:
            raise
        bench.observer.note(f"no finalist from {wanted}: {error}")
        refused.append(error)
        tries = _of_starts(wanted, stems[1:])
    else:
        found[wanted] = _record(bench, first, confirmation)
        again = replace(first, table=confirmation.table)
        tries = _of_starts(wanted, stems[1:]) | _plain(bench, again, wanted, limit_ms) if race else {}
    took, end = time.monotonic() - begin, time.monotonic() + FINALISTS_SHARE * bench.request.time_budget_s
    for name, (stem, finder) in tries.items():
        if found and time.monotonic() + took > end:
            bench.observer.note(f"no finalist from {name} and behind it: the time budget has no room for more")
            break
        try:
            found[name] = _record(bench, stem, _confirmed(bench, judge, precision, stem, finder, limit_ms))
        except InfeasibleError as error:
            bench.observer.note(f"no finalist from {name}: {error}")
            refused.append(error)
    if not found:
        raise min(refused, key=lambda error: error.nearest_ms)
    return check_finalists(_distinct(found))


def sketch(
    bench: Workbench, judge: Judge, precision: Precision, stem: Stem, *, wanted: str, median_ms: float
) -> Finalists:
    """The architecture whose predicted median keeps a limit, timed once for the record: an assistant is never run."""
    scale = stem.table.calibration.scale
    problem = replace(_problem(bench, stem, median_ms * 1e3 / scale), most_bytes=math.inf)  # it is never shipped
    solution = search_within(problem, get_searcher(wanted))
    summary, reached_ms = _measure(bench, judge, precision, stem)(solution)
    trial = Trial(solution, scale * solution.cost_us / 1e3, summary, reached_ms)
    reporter(bench)(trial)
    found = _record(bench, stem, Confirmation(trial, 1, stem.table))
    return check_finalists(Finalists((wanted,), (found,)))


def _of_starts(wanted: str, stems: Sequence[Stem]) -> Tries:
    """The wanted search in what is cut beside the teacher, by name."""
    return {f"{wanted}{_name(stem)}": (stem, get_searcher(wanted)) for stem in stems}


def _plain(bench: Workbench, stem: Stem, wanted: str, limit_ms: float) -> Tries:
    """Plain searches that are worth a place in a race, by name."""
    names = finalists(_problem(bench, stem, limit_ms * 1e3))
    return {name: (stem, get_searcher(name)) for name in names if name != wanted}


def _name(stem: Stem) -> str:
    return stem.source.tag if stem.source else ""


def _problem(bench: Workbench, stem: Stem, limit_us: float) -> SearchProblem:
    source = source_encoder(bench, stem.source).architecture
    return sized(bench, SearchProblem(source, stem.space, stem.table, limit_us), source)


def sized(bench: Workbench, problem: SearchProblem, shape: Architecture) -> SearchProblem:
    """The problem with what `--max-size` leaves for the weights of layers or cells.

    Args:
        bench: What all stages share.
        problem: Without a limit on them.
        shape: Any student of its space: what it weighs beside them, all do.
    """
    most = bench.request.budget.max_size_bytes
    if most is None:
        return problem
    rest = shipped_bytes(bench, shape, problem.table.precision) - problem.layer_bytes(shape)
    return replace(problem, most_bytes=SIZE_USED * most - rest)


def search_seconds(bench: Workbench) -> float:
    """That a search may train for, as is known now: what it finds has to be trained, shipped and cut further too."""
    budget = bench.request.time_budget_s
    behind = WHOLE.budget * budget + FINISHING_SECONDS + REPAIR_SECONDS
    return max(0.0, min(SEARCH_SHARE * budget, bench.seconds_left - behind))


def _confirmed(
    bench: Workbench, judge: Judge, precision: Precision, stem: Stem, finder: Searcher, limit_ms: float
) -> Confirmation:
    problem = _problem(bench, stem, limit_ms * 1e3)
    measure = _measure(bench, judge, precision, stem)
    return confirm(
        problem,
        finder,
        measure,
        limit_ms=limit_ms,
        tail=judge.tail,
        report=reporter(bench),
    )


def _measure(
    bench: Workbench, judge: Judge, precision: Precision, stem: Stem
) -> Callable[[Solution], tuple[LatencySummary, float]]:
    source = source_encoder(bench, stem.source)

    def measure(solution: Solution) -> tuple[LatencySummary, float]:
        student = inherit(source, stem.space.cut(solution.widths))
        return judge.time(apply_precision(student.emit(), precision).SerializeToString())

    return measure


def reporter(bench: Workbench) -> Callable[[Trial], None]:
    """Writes every trial down and says it."""

    def report(trial: Trial) -> None:
        bench.run.measured("search", "trial", trial)
        bench.observer.note(
            f"built {trial.solution.in_words}: predicted "
            f"{format_ms(trial.predicted_ms)}, measured {format_ms(trial.latency.p50_ms)}; "
            f"{format_ms(trial.reached_ms)} with the planned tail"
        )

    return report


def _record(bench: Workbench, stem: Stem, found: Confirmation) -> Confirmed:
    trial = found.trial
    cut = stem.space.cut(trial.solution.widths)
    return Confirmed(
        source=stem.source,
        widths=trial.solution.widths,
        cut=cut,
        architecture=student_architecture(source_encoder(bench, stem.source).architecture, cut),
        damage=trial.solution.damage,
        predicted_ms=trial.predicted_ms,
        latency=trial.latency,
        rounds=found.rounds,
        calibration=found.table.calibration.scale,
        table=stem.table_tag,
    )


def _distinct(found: dict[str, Confirmed]) -> Finalists:
    """Every architecture of a source once, under the name of the first search that found it."""
    first: dict[tuple[Source | None, Architecture], str] = {}
    for name, student in found.items():
        first.setdefault((student.source, student.architecture), name)
    names = tuple(first.values())
    return Finalists(names, tuple(found[name] for name in names))
