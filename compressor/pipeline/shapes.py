"""Search by trying: plain shapes within the limit are trained for a moment, and what that showed leads to the next.

Space: depth, width of the residual stream (the teacher's, and half of it), heads, neurons, activation. Every width and
activation has a table of its own. The winner goes on from the weights of its try.
"""

import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from compressor.errors import CompressorError, InfeasibleError, TooLargeError
from compressor.latency import estimate
from compressor.pipeline import distilling
from compressor.pipeline.judging import Judge
from compressor.pipeline.scoring import calibration_text
from compressor.pipeline.searching import reporter, sized
from compressor.pipeline.tries import Tries, weights_of
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Activation, Architecture, Layer, Precision
from compressor.records.latency import LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Confirmed, Finalists, check_finalists
from compressor.records.units import format_bytes, format_ms
from compressor.score import score_space
from compressor.search import EPISODIC, SearchProblem, Solution
from compressor.search.confirm import USED_HIGH, USED_TARGET, Trial
from compressor.search.macro import Point, Shape, narrowed_architecture, shapes_of
from compressor.space import head_levels, neuron_levels

MOST_TRIALS = 6  # shapes whose latency is measured

Family = tuple[int, Activation]


def families(teacher: Architecture) -> tuple[Family, ...]:
    """Widths of the residual stream and activations; the teacher's own first."""
    half = max(1, teacher.hidden // 2 // 8) * 8
    activations: tuple[Activation, ...] = ("gelu", "relu")
    found = [(hidden, activation) for hidden in (teacher.hidden, half) for activation in activations]
    return tuple(sorted(found, key=lambda family: family != (teacher.hidden, teacher.activation)))


def table_tag(teacher: Architecture, root: Architecture) -> str:
    """Of the table of a family's ops; the teacher's has none."""
    return "" if root == teacher else f"-{root.hidden}-{root.activation}"


def unit_order(bench: Workbench) -> ScoredSpace:
    """The teacher's heads and neurons, the most important first; no level is judged, as whole shapes are tried."""
    text = calibration_text(bench)
    return score_space(
        bench.root, text, text[:1], levels=((), ()), seed=bench.request.seed, progress=bench.observer.progress
    )


def begun(bench: Workbench, found: Confirmed, tag: str) -> Path:
    """The winner's weights behind its try where they were kept, else those that it inherits.

    Args:
        bench: What all stages share.
        found: The winner.
        tag: Of the search.
    """
    tried = weights_of(bench, found.architecture, tag)
    return tried if tried.exists() else distilling.inherited(bench, found, tag)


@dataclass(frozen=True)
class ShapeSearch:
    """One search.

    Attributes:
        bench: What all stages share.
        judge: Times what is built.
        precision: Of the students.
        tables: Of every family.
        limit_ms: The promise.
        tag: Of its files and choices.
    """

    bench: Workbench
    judge: Judge
    precision: Precision
    tables: dict[Family, LatencyTable]
    limit_ms: float
    tag: str

    def run(self, order: ScoredSpace) -> Finalists:
        """The shape that came nearest to the teacher among those whose measured latency keeps the limit.

        Args:
            order: Of the teacher's heads and neurons.

        Raises:
            InfeasibleError: Nothing keeps the limit.
            CompressorError: Every try diverged.
        """
        name, tries = self.bench.request.search, Tries(self.bench, order, self.points, tag=self.tag)
        random = np.random.default_rng([self.bench.request.seed, zlib.crc32(name.encode())])
        tried = EPISODIC[name](self.points, tries, tries.more, random)
        self.bench.observer.note(f"{len(tried)} of {len(self.points)} feasible shapes were tried")
        return self._confirmed(tries)

    @cached_property
    def points(self) -> list[Point]:
        """Feasible by the tables, and by their size.

        Raises:
            InfeasibleError: There is none within the limit.
            TooLargeError: Those that are have too many bytes.
        """
        teacher = self.bench.root.architecture
        heads, neurons = (
            [level for level in levels if level] for levels in (head_levels(teacher), neuron_levels(teacher))
        )
        hidden = sorted({hidden for hidden, _ in self.tables})
        every = [Point(shape, self._predicted_us(shape)) for shape in shapes_of(teacher, hidden, heads, neurons)]
        fast = [point for point in every if point.predicted_us <= self._most_us]
        if not fast:
            raise self._too_slow(min(point.predicted_us for point in every))
        small = [point for point in fast if self._beyond(point.shape) <= 0]
        if not small:
            raise self._too_large(min(self._beyond(point.shape) for point in fast))
        return small

    @cached_property
    def _most_us(self) -> float:
        """Median that keeps the limit with the planned tail; a continued run searches among the same shapes."""
        return self.bench.run.choose(
            f"search{self.tag}.most_us", lambda: 1e3 * USED_TARGET * self.limit_ms / self.judge.tail
        )

    def _predicted_us(self, shape: Shape) -> float:
        return estimate(self.tables[family_of(shape)], shape.of(self.bench.root.architecture)).value_us

    def _beyond(self, shape: Shape) -> float:
        """Bytes of its weights beyond what `--max-size` leaves for them; negative where it is small enough."""
        problem = self._problems[family_of(shape)]
        if problem.most_bytes == math.inf:
            return -math.inf
        return problem.layer_bytes(shape.of(self.bench.root.architecture)) - problem.most_bytes

    @cached_property
    def _problems(self) -> dict[Family, SearchProblem]:
        """Of every family, with the limit on bytes."""
        found = {}
        for family, table in self.tables.items():
            root = narrowed_architecture(self.bench.root.architecture, *family)
            smallest = root.with_layers((Layer(1, 0),))
            found[family] = sized(self.bench, SearchProblem(root, ScoredSpace(()), table, math.inf), smallest)
        return found

    def _confirmed(self, tries: Tries) -> Finalists:
        """The best that was measured to keep the limit; a table that was wrong is corrected for those behind it.

        Where none of those that were tried is left, the largest of the others are tried.
        """
        longer: dict[Family, float] = {}  # than planned, so many times
        built: set[Shape] = set()
        for _ in range(MOST_TRIALS):
            point = self._next(tries, built, longer)
            if point is None:
                break
            shape, divergence = point.shape, tries.evaluate(point.shape)
            if not math.isfinite(divergence):
                continue
            trial = self._measured(tries, point, divergence)
            built.add(shape)
            if trial.reached_ms <= USED_HIGH * self.limit_ms:
                return check_finalists(self._found(tries, shape, trial, rounds=len(built)))
            planned_ms = USED_TARGET * self.limit_ms * point.predicted_us / self._most_us
            family = family_of(shape)
            longer[family] = max(longer.get(family, 1.0), trial.reached_ms / planned_ms)
        if not built:
            raise CompressorError(
                "the short training of every shape that was tried diverged; use other losses (--distill), or another "
                "--seed"
            )
        raise InfeasibleError(
            f"{len(built)} shapes were built for {format_ms(self.limit_ms)} and none kept it",
            nearest_ms=self.limit_ms * max(longer.values()) / USED_TARGET,
            cost="the cuts of those shapes",
        )

    def _next(self, tries: Tries, built: set[Shape], longer: dict[Family, float]) -> Point | None:
        """Of the shapes that were not built, and should keep the limit as far as is known now: which is built next."""

        def planned_us(point: Point) -> float:
            return longer.get(family_of(point.shape), 1.0) * point.predicted_us

        left = [point for point in self.points if point.shape not in built and planned_us(point) <= self._most_us]
        tried = [point for point in left if math.isfinite(tries.divergences.get(point.shape, math.inf))]
        if tried:
            return min(tried, key=lambda point: tries.divergences[point.shape])
        return max((point for point in left if point.shape not in tries.divergences), key=planned_us, default=None)

    def _measured(self, tries: Tries, point: Point, divergence: float) -> Trial:
        """Built with the weights that a try begins with, and timed."""
        model = apply_precision(tries.begin(point.shape).emit(), self.precision).SerializeToString()
        summary, reached_ms = self.judge.time(model)
        cost_us = point.predicted_us / self.tables[family_of(point.shape)].calibration.scale
        solution = Solution(tries.cut(point.shape)[0], cost_us, divergence)
        trial = Trial(solution, point.predicted_us / 1e3, summary, reached_ms)
        reporter(self.bench)(trial)
        return trial

    def _found(self, tries: Tries, shape: Shape, trial: Trial, *, rounds: int) -> Finalists:
        teacher, (widths, cut) = self.bench.root.architecture, tries.cut(shape)
        student = Confirmed(
            source=None,
            widths=widths,
            cut=cut,
            architecture=shape.of(teacher),
            damage=trial.solution.damage,
            predicted_ms=trial.predicted_ms,
            latency=trial.latency,
            rounds=rounds,
            calibration=self.tables[family_of(shape)].calibration.scale,
            table=table_tag(teacher, narrowed_architecture(teacher, *family_of(shape))),
        )
        return Finalists((self.bench.request.search,), (student,))

    def _too_slow(self, least_us: float) -> InfeasibleError:
        nearest_ms = least_us / self._most_us * self.limit_ms
        return InfeasibleError(
            f"no shape is predicted to keep {format_ms(self.limit_ms)} here; the smallest needs about "
            f"{format_ms(nearest_ms)}",
            nearest_ms=nearest_ms,
            cost="nearly everything that the teacher knows: one narrow layer is left",
        )

    def _too_large(self, beyond: float) -> TooLargeError:
        most = self.bench.request.budget.max_size_bytes or 0
        return TooLargeError(
            f"no shape of at most {format_bytes(most)} is predicted to keep {format_ms(self.limit_ms)} here",
            missing_bytes=round(beyond),
        )


def family_of(shape: Shape) -> Family:
    """Whose table has its ops."""
    return shape.hidden, shape.activation
