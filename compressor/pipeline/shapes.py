"""Search by trying: plain shapes within the limit are trained for a moment, and what that showed leads to the next.

Space: depth, width of the residual stream (the teacher's, and half of it), heads, neurons, activation. Every width and
activation has a table of its own. A try begins with the teacher's weights as far as they fit.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from compressor.distill.recipe import RACE_ROWS, race_steps
from compressor.distill.throughput import examples_per_second
from compressor.encoder import Encoder
from compressor.errors import InfeasibleError
from compressor.latency import estimate
from compressor.pipeline import distilling
from compressor.pipeline.judging import Judge
from compressor.pipeline.nearness import Nearness
from compressor.pipeline.stages import load_encoder
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Activation, Architecture, Cut, Layer, Precision
from compressor.records.latency import LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Confirmed, Finalists, check_finalists
from compressor.records.units import format_ms
from compressor.search import EPISODIC
from compressor.search.confirm import USED_HIGH, USED_TARGET
from compressor.search.macro import Point, Shape, narrowed_architecture, shapes_of
from compressor.search.plain import evenly_spaced
from compressor.space import head_levels, inherit, neuron_levels
from compressor.space.narrowing import narrowed
from compressor.train import train

SEARCH_SHARE = 0.25  # of the time budget
PROXY_SHARE = 0.5  # of the rows of a race: a try tells less than a race, and there are more of them
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


@dataclass(frozen=True)
class ShapeSearch:
    """One search.

    Attributes:
        bench: What all stages share.
        judge: Times what is built.
        precision: Of the students.
        scores: Order of the teacher's heads and neurons.
        tables: Of every family.
        limit_ms: The promise.
        tag: Of its files and choices.
    """

    bench: Workbench
    judge: Judge
    precision: Precision
    scores: ScoredSpace
    tables: dict[Family, LatencyTable]
    limit_ms: float
    tag: str

    def run(self) -> Finalists:
        """The shape that came nearest to the teacher among those whose measured latency keeps the limit.

        Raises:
            InfeasibleError: Nothing keeps the limit.
        """
        points = self._points()
        tried = EPISODIC[self.bench.request.search](
            points, self._divergence, self._more, np.random.default_rng(self.bench.request.seed)
        )
        self.bench.observer.note(f"{len(tried)} of {len(points)} feasible shapes were tried")
        return self._confirmed(points, tried)

    def _points(self) -> list[Point]:
        """Feasible by the tables."""
        teacher, most_us = self.bench.root.architecture, self._most_us
        heads, neurons = (
            [level for level in levels if level] for levels in (head_levels(teacher), neuron_levels(teacher))
        )
        hidden = sorted({hidden for hidden, _ in self.tables})
        every = [Point(shape, self._predicted_us(shape)) for shape in shapes_of(teacher, hidden, heads, neurons)]
        feasible = [point for point in every if point.predicted_us <= most_us]
        if not feasible:
            nearest_ms = min(point.predicted_us for point in every) / most_us * self.limit_ms
            raise InfeasibleError(
                f"no shape is predicted to keep {format_ms(self.limit_ms)} here; the smallest needs about "
                f"{format_ms(nearest_ms)}",
                nearest_ms=nearest_ms,
                cost="nearly everything that the teacher knows: one narrow layer is left",
            )
        return feasible

    @property
    def _most_us(self) -> float:
        """Median that keeps the limit with the planned tail."""
        return 1e3 * USED_TARGET * self.limit_ms / self.judge.tail

    def _predicted_us(self, shape: Shape) -> float:
        table = self.tables[shape.hidden, shape.activation]
        return estimate(table, shape.of(self.bench.root.architecture)).value_us

    def _cut(self, shape: Shape) -> tuple[tuple[Layer, ...], Cut]:
        """Widths of every teacher layer, and the units that are kept."""
        layers = len(self.scores.layers)
        kept = evenly_spaced(layers, shape.layers)
        gone, wanted = Layer(0, 0), Layer(shape.heads, shape.neurons)
        widths = tuple(wanted if index in kept else gone for index in range(layers))
        return widths, self.scores.cut(widths)

    def _begin(self, shape: Shape) -> Encoder:
        return narrowed(inherit(self.bench.root, self._cut(shape)[1]), shape.hidden, shape.activation)

    def _more(self, tried: int) -> bool:
        """Whether the time allows another one, decided once and for all continuations of the run."""
        name = f"search{self.tag}.more-{tried}"
        return self.bench.run.choose(name, lambda: int(time.monotonic() < self._end)) == 1

    @cached_property
    def _end(self) -> float:
        return time.monotonic() + SEARCH_SHARE * self.bench.request.time_budget_s

    def _divergence(self, shape: Shape) -> float:
        def measured() -> float:
            path = self._trained(shape)
            return self._nearness.divergence(load_encoder(shape.of(self.bench.root.architecture), path))

        found = self.bench.run.choose(f"search{self.tag}.try {shape}", measured)
        self.bench.observer.note(f"tried {shape}: divergence {found:.4f}")
        return found

    @cached_property
    def _nearness(self) -> Nearness:
        return Nearness(self.bench)

    def _trained(self, shape: Shape) -> Path:
        """Weights after a short training."""
        bench, path = self.bench, self.bench.run.file(f"tried{self.tag}.safetensors")
        begin = bench.run.file(f"try{self.tag}.safetensors")
        student = self._begin(shape)
        save_file(student.state_dict(), begin)
        job = distilling.job_of(bench, student.architecture, begin)

        def steps() -> int:
            speed = examples_per_second(job, distilling.plan_of(bench, 1))
            return max(1, race_steps(int(PROXY_SHARE * RACE_ROWS), examples_per_second=speed, seconds=self._seconds))

        wanted = bench.run.choose(f"search{self.tag}.steps", steps)
        train(job, distilling.plan_of(bench, wanted), path)
        return path

    @property
    def _seconds(self) -> float:
        """Of one try at most: there should be time for some."""
        return SEARCH_SHARE * self.bench.request.time_budget_s / 12

    def _confirmed(self, points: list[Point], tried: Mapping[Shape, float]) -> Finalists:
        """The best that was measured to keep the limit; a table that was wrong is corrected for those behind it."""
        predicted = {point.shape: point.predicted_us for point in points}
        wrong: dict[Family, float] = {}
        trials = 0
        for shape in sorted(tried, key=lambda shape: tried[shape]):
            family = (shape.hidden, shape.activation)
            if wrong.get(family, 1.0) * predicted[shape] > self._most_us or trials == MOST_TRIALS:
                continue
            summary, reached_ms = self.judge.time(self._model(shape))
            trials += 1
            self.bench.observer.note(
                f"built {shape}: predicted {format_ms(predicted[shape] / 1e3)}, measured {format_ms(summary.p50_ms)}; "
                f"{format_ms(reached_ms)} with the planned tail"
            )
            if reached_ms <= USED_HIGH * self.limit_ms:
                widths, cut = self._cut(shape)
                root = narrowed_architecture(self.bench.root.architecture, *family)
                found = Confirmed(
                    source=None,
                    widths=widths,
                    cut=cut,
                    architecture=shape.of(self.bench.root.architecture),
                    damage=tried[shape],
                    predicted_ms=predicted[shape] / 1e3,
                    latency=summary,
                    rounds=trials,
                    calibration=self.tables[family].calibration.scale,
                    table=table_tag(self.bench.root.architecture, root),
                )
                return check_finalists(Finalists((self.bench.request.search,), (found,)))
            wrong[family] = max(wrong.get(family, 1.0), 1e3 * summary.p50_ms / predicted[shape])
        raise InfeasibleError(
            f"{trials} shapes were built for {format_ms(self.limit_ms)} and none kept it",
            nearest_ms=self.limit_ms * max(wrong.values(), default=1.0) / USED_TARGET,
            cost="the cuts of those shapes",
        )

    def _model(self, shape: Shape) -> bytes:
        model: bytes = apply_precision(self._begin(shape).emit(), self.precision).SerializeToString()
        return model
