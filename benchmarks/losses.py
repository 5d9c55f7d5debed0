"""One student, half of its teacher's layers, trained with every loss by name; and that student as a bundle."""

import shutil
from pathlib import Path
from typing import Any

from benchmarks.distilled import NO_KD, SST2, WORK, answered, keep
from benchmarks.frontier import LENGTH, TEACHER, pooled
from benchmarks.searched import LEAST_STEPS
from benchmarks.students import Quiet
from compressor.pipeline import finishing, stages
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture, Cut, LayerCut, Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Budget, Verdict
from compressor.records.request import CompressRequest
from compressor.records.stages import Candidate, Confirmed
from compressor.space import inherit

BATCH, RATE = 32, 2e-4
PLAIN = "no KD"  # the labels alone, by the name of no loss
NOT_TIMED = LatencySummary(0.0, 0.0, 0.0, 0.0, 0, 0)


def half_of(teacher: Architecture) -> Cut:
    """Every other layer, whole, the last one among them."""
    whole = [LayerCut(tuple(range(x.heads)), tuple(range(x.neurons))) for x in teacher.layers]
    return Cut(tuple(cut if number % 2 else LayerCut((), ()) for number, cut in enumerate(whole)))


def trained(task: str, name: str, seed: int, steps: int, weights: Path) -> dict[str, Any]:
    """A short training of that student.

    Args:
        task: Of `answered`.
        name: Of a loss, or `PLAIN`.
        seed: Of the order of the rows.
        steps: Of the optimiser.
        weights: Where its weights are kept.
    """
    text = answered(task)
    teacher = text.teacher.encoder
    begun = keep(inherit(teacher, half_of(teacher.architecture)), WORK / "begun.safetensors")
    weights.parent.mkdir(parents=True, exist_ok=True)
    recipe = NO_KD if name == PLAIN else DistillRecipe.named(name)
    return text.trained(begun, recipe, steps=steps, batch=BATCH, rate=RATE, seed=seed, weights=weights)


def shipped(name: str, weights: Path, steps: int) -> dict[str, Any]:
    """That student exported and verified by the pipeline's own stages; whether a loss works from end to end.

    Args:
        name: Of the loss, which the bundle says.
        weights: Of the student.
        steps: That it was trained.
    """
    request = CompressRequest(
        str(TEACHER),
        str(pooled(SST2)),
        budget=Budget(max_accuracy_drop_points=100.0),
        sequence_length=LENGTH,
        threads=1,
        distill=DistillRecipe.named(name),
    )
    bench = Workbench(request, cache=WORK / "cache", observer=Quiet())
    teacher = bench.canonical.encoder
    cut = half_of(teacher.architecture)
    student = Confirmed(
        source=None,
        widths=cut.widths(),
        cut=cut,
        architecture=inherit(teacher, cut).architecture,
        damage=0.0,
        predicted_ms=0.0,
        latency=NOT_TIMED,
        rounds=0,
        calibration=1.0,
    )
    candidate = Candidate("student", "", Precision.INT8, CompileOptions(1), student)
    with bench.run.held(fresh=True):
        shutil.copyfile(weights, stages.weights_path(bench, candidate.tag))
        finishing.export(bench, stages.prepare(bench), candidate)
        found = finishing.verify(bench, candidate)
    shutil.rmtree(bench.run.path)
    works = found.verdict is Verdict.MET and steps >= LEAST_STEPS
    return {"steps": steps, "verdict": str(found.verdict), "accuracy": round(found.accuracy.points, 3), "works": works}
