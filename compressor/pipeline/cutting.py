"""From a limit to a trained student: the stages between the ladder and the export."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from compressor.distill.recipe import ASSISTANT, BEHIND_ASSISTANT, REPAIR, WHOLE, Part, intermediate_ms
from compressor.errors import InfeasibleError
from compressor.pipeline import cells, distilling, labelling, scoring, searching, shapes, stages, starting
from compressor.pipeline.judging import Judge, PlannedTail
from compressor.pipeline.objectives import hops
from compressor.pipeline.runner import Runner
from compressor.pipeline.searching import Stem
from compressor.pipeline.uncut import no_rung_left
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture
from compressor.records.latency import LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import (
    Candidate,
    Confirmed,
    Distilled,
    Finalists,
    Labels,
    Ladder,
    Prepared,
    Raced,
    Source,
)
from compressor.records.units import format_ms
from compressor.search import EXACT, kind_of
from compressor.search.macro import narrowed_architecture
from compressor.space.cells import cell_space

Student = tuple[Candidate, Distilled]


@dataclass(frozen=True)
class Cutter:
    """Makes students of a teacher.

    Attributes:
        bench: What all stages share.
        run: Runs them.
        prepared: Names the workload.
        ladder: Names precision and options.
        judge: Makes what holds students against the limit.
    """

    bench: Workbench
    run: Runner
    prepared: Prepared
    ladder: Ladder
    judge: Callable[[Workbench, Prepared, Ladder, tuple[float, ...]], Judge] = PlannedTail
    _tables: dict[Architecture, tuple[str, LatencyTable]] = field(default_factory=dict)

    def student(self, limit_ms: float, *, tag: str) -> Student:
        """Cut out of the teacher; a deep cut is made in two, the second out of an assistant (Mirzadeh et al. 2019).

        A student of a higher limit is the assistant where there is one. Networks that the user named are cut too, and
        a race decides.

        Raises:
            InfeasibleError: No student keeps the limit, or the teacher cannot be cut.
            InputError: A network that the user named cannot be used.
        """
        if self.bench.teacher.architecture is None:
            raise no_rung_left(self.bench, self.prepared.workload, self.ladder)
        self.bench.check_training_memory()
        kind = kind_of(self.bench.request.search)
        if kind == "cells":
            return self._of_cells(limit_ms, WHOLE, tag=tag)
        if kind == "shapes":
            return self._of_shapes(limit_ms, tag=tag)
        root, race = self.bench.root.architecture, self.bench.request.recipe.race
        self._table(root, tag="")
        self._label()
        assistant = self._assistant(limit_ms, root, tag=f"{tag}-assistant")
        stems = [self._stem(assistant, root), *self._starts()]
        part = BEHIND_ASSISTANT if assistant and self.bench.request.assistant is None else WHOLE
        return self._cut(stems, limit_ms, part, tag=tag, race=race)

    def cut_further(self, student: Candidate, limit_ms: float, *, tag: str, tails: tuple[float, ...]) -> Student:
        """A trained student, cut a little further and trained on for a while.

        Args:
            student: What is cut.
            limit_ms: As before.
            tag: Of the files of the new one.
            tails: Planned percentile over median, where it was measured before.

        Raises:
            InfeasibleError: Nothing of it keeps the limit.
        """
        shipped = student.student
        if shipped is None:
            raise ValueError("the teacher is no student: nothing of it was trained that could be cut further")
        if shipped.architecture.cells is not None:
            return self._of_cells(limit_ms, REPAIR, tag=tag, tails=tails, before=student)
        root = self._root_of(shipped)
        stem = self._stem(Source(student.tag, shipped.architecture, root), root)
        return self._cut([stem], limit_ms, REPAIR, tag=tag, tails=tails)

    def _root_of(self, shipped: Confirmed) -> Architecture:
        """The network that a student was cut out of, by whose table its ops are known."""
        if shipped.source is not None:
            return shipped.source.root
        shape = shipped.architecture
        return narrowed_architecture(self.bench.root.architecture, shape.hidden, shape.activation)

    def _of_shapes(self, limit_ms: float, *, tag: str) -> Student:
        """By a search that tries plain shapes."""
        root = self.bench.root.architecture
        tables: dict[shapes.Family, LatencyTable] = {}
        for hidden, activation in shapes.families(root):
            narrow = narrowed_architecture(root, hidden, activation)
            _, tables[hidden, activation] = self._table(narrow, tag=shapes.table_tag(root, narrow))
        precision = self.ladder.fastest.precision
        search = shapes.ShapeSearch(self.bench, self._judge(), precision, tables, limit_ms, tag)
        if not self.bench.run.finished(f"search{tag}"):
            _ = search.points  # a limit that none of them keeps is refused before the teacher is asked anything
        self._label()
        order = self.run.stage("score", ScoredSpace, lambda: shapes.unit_order(self.bench))
        found = self.run.stage("search", Finalists, lambda: search.run(order), tag=tag).students[0]
        return self._trained(found, lambda: shapes.begun(self.bench, found, tag), WHOLE, tag=tag)

    def _of_cells(
        self,
        limit_ms: float,
        part: Part,
        *,
        tag: str,
        tails: tuple[float, ...] = (),
        before: Candidate | None = None,
    ) -> Student:
        """By a search of cells; `before` = a student of too many of them, whose weights are taken over."""
        bench, teacher = self.bench, self.bench.root.architecture
        space = cell_space(teacher, cells.cells_width(teacher))
        _, table = self._table(space, tag=cells.TABLE)
        if before is None:
            self._label()
        precision = self.ladder.fastest.precision
        found = self.run.stage(
            "search",
            Finalists,
            lambda: cells.CellSearch(bench, self._judge(tails), precision, space, table, limit_ms).run(),
            tag=tag,
        ).students[0]
        return self._trained(found, lambda: cells.begun(bench, found.architecture, tag, before), part, tag=tag)

    def _assistant(self, limit_ms: float, root: Architecture, *, tag: str) -> Source | None:
        """What is cut in the place of the teacher; None = the teacher is cut at once."""
        bench, ladder = self.bench, self.ladder
        if bench.request.assistant is not None:
            return starting.assistant(bench, bench.request.assistant, tag=tag)
        between_ms = intermediate_ms(limit_ms, ladder.fastest.latency.p95_ms, always=hops(bench))
        if between_ms is None or not bench.request.recipe.staged:
            return None
        bench.observer.note(f"a cut in two: first to {format_ms(between_ms)}")
        stem, median_ms = self._stem(None, root), between_ms / ladder.fastest.tail
        try:
            found = self.run.stage(
                "search",
                Finalists,
                lambda: searching.sketch(
                    bench, self._judge(), ladder.fastest.precision, stem, wanted=self._wanted, median_ms=median_ms
                ),
                tag=tag,
            ).students[0]
        except InfeasibleError as error:  # then the limit is not feasible out of the teacher; a start may keep it
            bench.observer.note(f"no assistant: {error}")
            return None
        self._distilled(found.architecture, lambda: distilling.inherited(bench, found, tag), ASSISTANT, tag=tag)
        return Source(tag, found.architecture, root)

    def _starts(self) -> list[Stem]:
        """The networks that the user named, each distilled for a while."""
        stems = []
        for number, name in enumerate(self.bench.request.starts, 1):
            tag = f"-start-{number}"
            shape, weights = starting.start(self.bench, Path(name), tag=tag)
            self._table(shape, tag=tag)
            self._distilled(shape, lambda weights=weights: weights, ASSISTANT, tag=tag)  # type: ignore[misc]
            stems.append(self._stem(Source(tag, shape, shape), shape))
        return stems

    def _stem(self, source: Source | None, root: Architecture) -> Stem:
        space = self._scores(source)
        tag, table = self._table(root, tag="")
        return Stem(source, space, table, tag)

    def _label(self) -> None:
        self.run.stage("label", Labels, lambda: labelling.label(self.bench))

    def _table(self, root: Architecture, *, tag: str) -> tuple[str, LatencyTable]:
        """Of a network's ops, and the tag of its stage: `tag`, unless there was one of such a network before."""
        if root not in self._tables:
            make = stages.build_table
            table = self.run.stage(
                "table", LatencyTable, lambda: make(self.bench, self.prepared, self.ladder, root), tag=tag
            )
            self._tables[root] = tag, table
        return self._tables[root]

    def _scores(self, source: Source | None) -> ScoredSpace:
        tag = f"-of{source.tag}" if source else ""
        return self.run.stage("score", ScoredSpace, lambda: scoring.score(self.bench, tag=tag, source=source), tag=tag)

    def _judge(self, tails: tuple[float, ...] = ()) -> Judge:
        return self.judge(self.bench, self.prepared, self.ladder, tails)

    @property
    def _wanted(self) -> str:
        """The search of cuts: what was asked for, of students of another kind the default."""
        name = self.bench.request.search
        return name if kind_of(name) in ("cuts", "plain") else EXACT

    def _cut(
        self,
        stems: list[Stem],
        limit_ms: float,
        part: Part,
        *,
        tag: str,
        race: bool = False,
        tails: tuple[float, ...] = (),
    ) -> Student:
        """Search, race and train."""
        bench, rung = self.bench, self.ladder.fastest
        finalists = self.run.stage(
            "search",
            Finalists,
            lambda: searching.search(
                bench,
                self._judge(tails),
                rung.precision,
                stems,
                wanted=self._wanted,
                limit_ms=limit_ms,
                race=race,
            ),
            tag=tag,
        )
        raced = Raced(0, ())
        if race:
            raced = self.run.stage("race", Raced, lambda: distilling.race(bench, finalists, tag=tag), tag=tag)
        confirmed = finalists.students[raced.winner]

        def begin() -> Path:
            if raced.divergences:
                return distilling.raced_path(bench, tag, raced.winner)
            return distilling.inherited(bench, confirmed, tag)

        return self._trained(confirmed, begin, part, tag=tag)

    def _trained(self, found: Confirmed, begin: Callable[[], Path], part: Part, *, tag: str) -> Student:
        rung = self.ladder.fastest
        distilled = self._distilled(found.architecture, begin, part, tag=tag, source=found.source)
        return Candidate("student", tag, rung.precision, rung.options, found), distilled

    def _distilled(
        self, shape: Architecture, begin: Callable[[], Path], part: Part, *, tag: str, source: Source | None = None
    ) -> Distilled:
        bench, ladder = self.bench, self.ladder
        return self.run.stage(
            "distil",
            Distilled,
            lambda: distilling.distil(bench, ladder, shape, begin(), tag=tag, part=part, source=source),
            tag=tag,
        )
