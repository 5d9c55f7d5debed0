"""From a limit to a trained student: the stages between the ladder and the export."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from compressor.distill.recipe import ASSISTANT, BEHIND_ASSISTANT, REPAIR, WHOLE, Part, intermediate_ms
from compressor.pipeline import distilling, labelling, scoring, searching, stages
from compressor.pipeline.runner import Runner
from compressor.pipeline.uncut import no_rung_left
from compressor.pipeline.workbench import Workbench
from compressor.records.latency import LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Candidate, Confirmed, Distilled, Finalists, Labels, Ladder, Prepared, Raced
from compressor.records.units import format_ms

Student = tuple[Candidate, Distilled]


@dataclass(frozen=True)
class Cutter:
    """Makes students of a teacher.

    Attributes:
        bench: What all stages share.
        run: Runs them.
        prepared: Names the workload.
        ladder: Names precision and options.
    """

    bench: Workbench
    run: Runner
    prepared: Prepared
    ladder: Ladder

    def student(self, limit_ms: float, *, tag: str) -> Student:
        """Cut out of the teacher; a deep cut is made in two, the second out of an assistant (Mirzadeh et al. 2019).

        Raises:
            InfeasibleError: No student keeps the limit, or the teacher cannot be cut.
        """
        if self.bench.teacher.architecture is None:
            raise no_rung_left(self.bench, self.prepared.workload, self.ladder)
        self.bench.check_training_memory()
        _ = self._table
        self.run.stage("label", Labels, lambda: labelling.label(self.bench))
        space, recipe = self._scores, self.bench.request.recipe
        between_ms = intermediate_ms(limit_ms, self.ladder.fastest.latency.p95_ms) if recipe.staged else None
        if between_ms is None:
            return self._cut(space, limit_ms, WHOLE, tag=tag, race=recipe.race)
        self.bench.observer.note(f"a deep cut, made in two: first to {format_ms(between_ms)}")
        assistant = self._assistant(space, between_ms, tag=f"{tag}-assistant")
        space = self._scores_of(assistant)
        return self._cut(space, limit_ms, BEHIND_ASSISTANT, tag=tag, parent=assistant, race=recipe.race)

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
        return self._cut(self._scores_of(student), limit_ms, REPAIR, tag=tag, parent=student, tails=tails)

    def _assistant(self, space: ScoredSpace, limit_ms: float, *, tag: str) -> Candidate:
        finalists = self.run.stage(
            "search",
            Finalists,
            lambda: searching.sketch(self.bench, self.prepared, self.ladder, self._table, space, limit_ms=limit_ms),
            tag=tag,
        )
        return self._trained(finalists.students[0], ASSISTANT, tag=tag)[0]

    @cached_property
    def _table(self) -> LatencyTable:
        make = stages.build_table
        return self.run.stage("table", LatencyTable, lambda: make(self.bench, self.prepared, self.ladder))

    @cached_property
    def _scores(self) -> ScoredSpace:
        return self.run.stage("score", ScoredSpace, lambda: scoring.score(self.bench))

    def _scores_of(self, parent: Candidate) -> ScoredSpace:
        tag = f"-of{parent.tag}"
        return self.run.stage("score", ScoredSpace, lambda: scoring.score(self.bench, tag=tag, parent=parent), tag=tag)

    def _cut(
        self,
        space: ScoredSpace,
        limit_ms: float,
        part: Part,
        *,
        tag: str,
        parent: Candidate | None = None,
        race: bool = False,
        tails: tuple[float, ...] = (),
    ) -> Student:
        """Search, race and train."""
        bench = self.bench
        finalists = self.run.stage(
            "search",
            Finalists,
            lambda: searching.search(
                bench,
                self.prepared,
                self.ladder,
                self._table,
                space,
                limit_ms=limit_ms,
                race=race,
                parent=parent,
                tails=tails,
            ),
            tag=tag,
        )
        raced = Raced(0, ())
        if race:
            raced = self.run.stage(
                "race", Raced, lambda: distilling.race(bench, finalists, tag=tag, parent=parent), tag=tag
            )
        confirmed = finalists.students[raced.winner]
        start = distilling.raced_path(bench, tag, raced.winner) if raced.divergences else None
        return self._trained(confirmed, part, tag=tag, start=start, parent=parent)

    def _trained(
        self,
        confirmed: Confirmed,
        part: Part,
        *,
        tag: str,
        start: Path | None = None,
        parent: Candidate | None = None,
    ) -> Student:
        distilled = self.run.stage(
            "distil",
            Distilled,
            lambda: distilling.distil(
                self.bench, self.ladder, confirmed, tag=tag, part=part, raced=start, parent=parent
            ),
            tag=tag,
        )
        rung = self.ladder.fastest
        return Candidate("student", tag, rung.precision, rung.options, confirmed), distilled
