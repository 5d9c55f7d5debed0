"""One student at a speed: found, trained and exported by the pipeline's own stages, judged by medians.

A promise is about the slowest runs, a speed-up about the median. So candidates are timed here in turn with the fp32
teacher, and their time is the teacher's, as it was measured once, over the ratio: neighbours slow down both.
"""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from compressor.pipeline import stages
from compressor.pipeline.cutting import Cutter
from compressor.pipeline.runner import Runner
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import LatencySummary
from compressor.records.promise import Budget
from compressor.records.recipe import Recipe
from compressor.records.request import Assistant, CompressRequest
from compressor.records.stages import Finalists, Ladder, Prepared, Raced
from compressor.runtimes import engine_subject
from compressor.runtimes.samples import Samples
from compressor.runtimes.statistics import summarise
from compressor.runtimes.timing import Subject, time_alone
from compressor.score import mean_divergence
from compressor.tasks import agreement, get_metric, paired_bootstrap, points

# Teacher and student take turns of so long: right behind the teacher, whose weights fill the caches, a student is up
# to a third slower than it is when it runs again and again (benchmarks/log.md).
TURN_SECONDS, TRIAL_TURNS, FINAL_TURNS = 0.25, 8, 24


@dataclass(frozen=True)
class Way:
    """How a student is made: by which search, and what of the recipe."""

    search: str = "exact"
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True)
class Job:
    """What is compressed, where, and for how long at most; a length or metric of None is the pipeline's choice.

    With an assistant that is cut in the place of the teacher.
    """

    teacher: Path
    data: Path
    length: int | None
    seed: int = 0
    threads: int = 1
    time_budget_s: float = 1800.0
    metric: str | None = None
    assistant: Assistant | None = None


class Quiet:
    """An observer that says what it is told, indented."""

    def begin(self, stage: str, text: str) -> None:
        """A stage begins."""

    def progress(self, share: float, text: str = "") -> None:
        """It goes on."""

    def note(self, text: str) -> None:
        """Something worth saying."""
        print(f"      {text}", flush=True)

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        """It is done."""


class Against:
    """Times graphs in turn with the fp32 teacher, and judges them by their medians."""

    tail = 1.0

    def __init__(self, bench: Workbench, prepared: Prepared, ladder: Ladder) -> None:
        fp32 = next(rung for rung in ladder.rungs if rung.precision is Precision.FP32)
        self.teacher_ms, self.rung = fp32.latency.p50_ms, ladder.fastest
        self._bench, self._feeds = bench, bench.feeds(prepared.workload)
        self._teacher = bench.device.compile(bench.teacher_model(Precision.FP32), fp32.options)

    def time(self, model: bytes) -> tuple[LatencySummary, float]:
        """Summary and median of a trial."""
        summary, _ = self.ratio(model, TRIAL_TURNS)
        return summary, summary.p50_ms

    def ratio(self, model: bytes, turns: int) -> tuple[LatencySummary, float]:
        """Summary of a graph's times, scaled to the teacher's first measurement, and its speed-up over the teacher."""
        device = self._bench.device
        subjects = [
            engine_subject(engine, self._feeds) for engine in (self._teacher, device.compile(model, self.rung.options))
        ]
        teacher, student = zip(*(self._turn(subjects) for _ in range(turns)), strict=True)
        now_ms = summarise(teacher).p50_ms
        factor = self.teacher_ms / now_ms
        scaled = [Samples((samples.times * factor).astype("int64"), samples.yardstick) for samples in student]
        summary = summarise(scaled)
        return summary, self.teacher_ms / summary.p50_ms

    def _turn(self, subjects: list[Subject]) -> list[Samples]:
        clock, yardstick = self._bench.device.clock, self._bench.device.yardstick
        return [time_alone(subject, clock=clock, seconds=TURN_SECONDS, yardstick=yardstick) for subject in subjects]


def make_student(
    job: Job, way: Way, *, speed_up: float, cache: Path, weights: Path | None = None
) -> tuple[dict[str, Any], Architecture]:
    """A student whose median is the fp32 teacher's over a speed-up, and what it reaches on the evaluation split.

    Args:
        job: What is compressed.
        way: How.
        speed_up: Over the teacher compiled to fp32 with its fastest options.
        cache: Keeps tables and the teacher's answers for the next student.
        weights: Where the student's weights are kept; None = nowhere.

    Returns:
        Its row, and its shape.
    """
    begin = time.monotonic()
    request = CompressRequest(
        str(job.teacher),
        str(job.data),
        budget=Budget(),
        sequence_length=job.length,
        threads=job.threads,
        metric=job.metric,
        search=way.search,
        recipe=way.recipe,
        assistant=job.assistant,
        time_budget_s=job.time_budget_s,
        seed=job.seed,
    )
    bench = Workbench(request, cache=cache, observer=Quiet(), fresh=False)
    with bench.run.held(fresh=False):
        row, shape = _made(bench, speed_up, weights)
    shutil.rmtree(bench.run.path)
    return row | {"seconds": round(time.monotonic() - begin, 1)}, shape


def _made(bench: Workbench, speed_up: float, weights: Path | None) -> tuple[dict[str, Any], Architecture]:
    prepared = stages.prepare(bench)
    ladder = stages.climb_ladder(bench, prepared)
    against = Against(bench, prepared, ladder)
    runner = Runner(bench.run, bench.observer)
    cutter = Cutter(bench, runner, prepared, ladder, judge=lambda *_: against)
    candidate, distilled = cutter.student(against.teacher_ms / speed_up, tag="")
    if candidate.student is None:
        raise RuntimeError(f"a speed-up of {speed_up} was kept by {candidate.name}: nothing was trained")
    student = stages.student_encoder(bench, candidate.student, tag=candidate.tag)
    if weights is not None:
        shutil.copyfile(stages.weights_path(bench, candidate.tag), weights)
    layers = candidate.student.architecture.layers
    row = {
        **_facts(bench, against, student),
        "layers": " ".join(f"{layer.heads}/{layer.neurons}" for layer in layers),
        "finalist": _finalist(bench),
        "steps": distilled.steps,
        "examples_per_second": round(distilled.examples_per_second),
        "stage_seconds": {time.stage: round(time.seconds, 1) for time in runner.times},
    }
    return row, candidate.student.architecture


def _finalist(bench: Workbench) -> str:
    """Name of the search that found what was trained."""
    finalists = bench.run.load("search", Finalists)
    winner = bench.run.load("race", Raced).winner if bench.run.finished("race") else 0
    return finalists.names[winner]


def _facts(bench: Workbench, against: Against, student: Any) -> dict[str, Any]:
    """Of the exported engine: speed-up, accuracy on the evaluation split, the drop with its paired 95 % interval."""
    name, teacher, targets = bench.data.spec.metric, bench.evaluation_teacher, bench.evaluation_targets
    model = apply_precision(student.emit(), against.rung.precision).SerializeToString()
    summary, speed_up = against.ratio(model, FINAL_TURNS)
    engine = bench.run.file("engine.onnx")
    options = bench.device.save_engine(model, against.rung.options, engine)
    outputs = bench.outputs(engine, options, bench.evaluation.tokens, against.rung.precision)
    reached, whole = (points(get_metric(name)(answers, targets)) for answers in (outputs, teacher))
    drop = paired_bootstrap(name, teacher, outputs, targets, seed=bench.request.seed)
    fp32 = points(get_metric(name)(bench.fp32_outputs(student.emit(), bench.evaluation.tokens), targets))
    return {
        "metric": name,
        "length": stages.workload_of(bench).sequence_length,
        "speed_up": round(speed_up, 2),
        "p50_ms": round(summary.p50_ms, 3),
        "accuracy": round(reached, 3),
        "accuracy_fp32": round(fp32, 3),
        "teacher": round(whole, 3),
        # Of the same rows, and a good deal less noisy than two accuracies.
        "agreement": round(100 * agreement(outputs, teacher, targets), 3) if outputs.shape[-1] > 1 else None,
        "divergence": round(mean_divergence(bench.teacher.kind, *map(torch.from_numpy, (teacher, outputs))), 5),
        "drop": round(whole - reached, 3),
        "drop_low": round(drop.low, 3),
        "drop_high": round(drop.high, 3),
        "evaluation_rows": len(targets),
        "parameters": sum(p.numel() for p in student.layers.parameters()),
    }
