"""Tries of a search: plain shapes that are trained for a moment, on as many rows each, and held against the teacher.

A try begins with the teacher's weights as far as they fit. What it found and took is written down, so that a continued
run goes on with the next one and has no more time than it had left; the weights of the best one are kept.
"""

import math
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from safetensors.torch import save_file

from compressor.distill.job import ObjectiveJob
from compressor.distill.recipe import try_steps
from compressor.distill.throughput import examples_per_second
from compressor.encoder import Encoder
from compressor.errors import CompressorError
from compressor.pipeline import distilling
from compressor.pipeline.nearness import Nearness
from compressor.pipeline.searching import search_seconds
from compressor.pipeline.stages import load_encoder
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture, Cut, Layer
from compressor.records.score import ScoredSpace
from compressor.records.serial import digest
from compressor.search.macro import Point, Shape
from compressor.search.plain import evenly_spaced
from compressor.space import inherit
from compressor.space.narrowing import narrowed
from compressor.tasks import Tokens
from compressor.train import FittingJob, train

USUAL_TRIES = 12  # that there should be time for
DIVERGED = "training diverged"  # how the loop says so, whichever process it ran in


class Tries:
    """The tries of one search, each made once in all continuations of a run.

    Args:
        bench: What all stages share.
        order: Of the teacher's heads and neurons.
        points: The shapes that may be tried.
        tag: Of files and choices.
    """

    def __init__(self, bench: Workbench, order: ScoredSpace, points: Sequence[Point], *, tag: str) -> None:
        self._bench, self._order, self._tag = bench, order, tag
        self._slowest = max(points, key=lambda point: point.predicted_us).shape
        self.divergences: dict[Shape, float] = {}
        self._used_s = 0.0
        self._most_s = bench.run.choose(f"search{tag}.most_seconds", lambda: search_seconds(bench))

    def __call__(self, shape: Shape) -> float:
        """Try a shape, and keep its weights where it is the best so far.

        Returns:
            Its divergence from the teacher; infinite where the training diverged.
        """
        found = self.evaluate(shape)
        best = min(self.divergences, key=self.divergences.__getitem__)
        for other in self.divergences:
            if other != best:
                self.weights(other).unlink(missing_ok=True)
        return found

    def evaluate(self, shape: Shape) -> float:
        """The same, once for each shape; its weights are kept whatever came out."""
        if shape in self.divergences:
            return self.divergences[shape]
        run, name = self._bench.run, f"search{self._tag}"

        def tried() -> float:
            begin = time.monotonic()
            divergence = self._divergence(shape)
            run.choose(f"{name}.seconds {shape}", lambda: time.monotonic() - begin)
            return divergence

        found = run.choose(f"{name}.try {shape}", tried)
        self._used_s += run.choose(f"{name}.seconds {shape}", lambda: 0.0)
        self.divergences[shape] = found
        self._bench.observer.note(f"tried {shape}: divergence {found:.4f}")
        return found

    def more(self, tried: int) -> bool:
        """Whether there is time for one more that takes as long as those so far did on average."""
        return self._used_s * (tried + 1) <= self._most_s * tried

    def weights(self, shape: Shape) -> Path:
        """File of the weights of a try."""
        return weights_of(self._bench, shape.of(self._bench.root.architecture), self._tag)

    def cut(self, shape: Shape) -> tuple[tuple[Layer, ...], Cut]:
        """Widths of every teacher layer, and the units that are kept."""
        layers = len(self._order.layers)
        kept = evenly_spaced(layers, shape.layers)
        gone, wanted = Layer(0, 0), Layer(shape.heads, shape.neurons)
        widths = tuple(wanted if index in kept else gone for index in range(layers))
        return widths, self._order.cut(widths)

    def begin(self, shape: Shape) -> Encoder:
        """What a try begins with."""
        return narrowed(inherit(self._bench.root, self.cut(shape)[1]), shape.hidden, shape.activation)

    def _divergence(self, shape: Shape) -> float:
        """After a short training."""
        plan = distilling.plan_of(self._bench, self._steps)
        try:
            train(self._job(shape), plan, self.weights(shape))
        except CompressorError as error:
            if DIVERGED not in str(error):
                raise
            self._bench.observer.note(f"{shape}: {error}")
            return math.inf
        trained = load_encoder(shape.of(self._bench.root.architecture), self.weights(shape))
        found = self._nearness.divergence(trained)
        return found if math.isfinite(found) else math.inf

    @cached_property
    def _nearness(self) -> Nearness:
        return Nearness(self._bench)

    @cached_property
    def _steps(self) -> int:
        """Of each, by the speed of the slowest."""
        bench = self._bench

        def steps() -> int:
            speed = examples_per_second(self._job(self._slowest), distilling.plan_of(bench, 1))
            rows = len(Tokens.load(bench.run.file("tokens")))
            return try_steps(rows, examples_per_second=speed, seconds=self._most_s / USUAL_TRIES)

        return bench.run.choose(f"search{self._tag}.steps", steps)

    def _job(self, shape: Shape) -> FittingJob | ObjectiveJob:
        path, student = self._bench.run.file(f"try{self._tag}.safetensors"), self.begin(shape)
        save_file(student.state_dict(), path)
        return distilling.job_of(self._bench, student.architecture, path)


def weights_of(bench: Workbench, shape: Architecture, tag: str) -> Path:
    """File of the weights of a try.

    Args:
        bench: What all stages share.
        shape: Of the student.
        tag: Of the search.
    """
    return bench.run.file(f"tried{tag}-{digest(shape)}.safetensors")
