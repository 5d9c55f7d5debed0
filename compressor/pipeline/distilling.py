"""The stages that train students: a short race of the finalists, and the training of the winner."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from compressor.distill import distillation_loss
from compressor.distill.job import ObjectiveJob, StoredEncoder
from compressor.distill.overdraft import overdraft_notes
from compressor.distill.recipe import (
    ASSISTANT,
    BEHIND_ASSISTANT,
    RACE_SHARE,
    REPAIR,
    WHOLE,
    Part,
    fitting_steps,
    plan,
    race_steps,
    wanted_steps,
)
from compressor.distill.throughput import examples_per_second
from compressor.pipeline.closing import closing_seconds
from compressor.pipeline.glimpses import Glimpses
from compressor.pipeline.labelling import teacher_speed
from compressor.pipeline.nearness import Nearness
from compressor.pipeline.objectives import objective_job
from compressor.pipeline.scoring import calibration_text
from compressor.pipeline.stages import (
    load_encoder,
    selection_drop,
    source_encoder,
    weights_path,
)
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture
from compressor.records.evidence import TRAINING, TrainingCurve
from compressor.records.stages import Confirmed, Distilled, Finalists, Ladder, Raced, Source, check_raced
from compressor.records.training import TrainPlan
from compressor.score import Reference, refit
from compressor.space import inherit
from compressor.space.narrowing import narrowed
from compressor.tasks import Tokens
from compressor.teachers.losses import fine_tuning_loss
from compressor.train import FittingJob, faster_in_bfloat16, train

# What export, verification, comparison and report take, at the usual percentile and with an evaluation split of some
# thousand rows; and what a student that is cut further takes: a search, a short training, export and verification.
FINISHING_SECONDS, REPAIR_SECONDS = 110.0, 110.0


def race(bench: Workbench, finalists: Finalists, *, tag: str) -> Raced:
    """Train every finalist for a moment; the one whose answers are then nearest to the teacher's wins.

    Divergences before any training, let alone sums of damages, rank architectures of different depth wrongly.

    Args:
        bench: What all stages share.
        finalists: Architectures that keep the limit.
        tag: Of its files and choices.
    """
    if len(finalists.students) == 1:
        return Raced(0, ())
    begins, first = _begins(bench, finalists, tag), finalists.students[0]
    job = job_of(bench, first.architecture, begins[0], source=first.source)
    speed = bench.run.choose(f"race{tag}.examples_per_second", lambda: examples_per_second(job, plan_of(bench, 1)))
    seconds = RACE_SHARE * bench.request.time_budget_s / len(begins)
    steps = bench.run.choose(
        f"race{tag}.steps", lambda: race_steps(_rows(bench), examples_per_second=speed, seconds=seconds)
    )
    if steps == 0:
        bench.observer.note(f"no race of {len(begins)} finalists: the time budget has no room for it")
        return Raced(0, ())
    divergences, nearness = [], Nearness(bench)
    for number, (confirmed, begin) in enumerate(zip(finalists.students, begins, strict=True)):
        own = job_of(bench, confirmed.architecture, begin, source=confirmed.source)
        train(own, plan_of(bench, steps), raced_path(bench, tag, number))
        student = load_encoder(confirmed.architecture, raced_path(bench, tag, number))
        divergences.append(nearness.divergence(student))
        name = finalists.names[number]
        bench.observer.note(f"finalist from {name}: divergence {divergences[-1]:.4f} after {steps} steps")
        bench.observer.progress((number + 1) / len(begins), name)
    winner = min(range(len(begins)), key=divergences.__getitem__)
    return check_raced(Raced(winner, tuple(divergences)), finalists)


def _begins(bench: Workbench, finalists: Finalists, tag: str) -> list[Path]:
    """Untrained weights of every finalist."""
    begins: dict[int, Path] = {}
    for source in dict.fromkeys(student.source for student in finalists.students):
        begins |= _begins_of(bench, source, finalists, tag)
    return [begins[number] for number in range(len(finalists.students))]


def _begins_of(bench: Workbench, source: Source | None, finalists: Finalists, tag: str) -> dict[int, Path]:
    """Those that are cut out of one network; what it comes to on the text is big, and let go with the last of them."""
    reference = _reference(bench, source) if bench.request.recipe.refit else None
    return {
        number: inherited(bench, confirmed, f"{tag}-{number}", reference)
        for number, confirmed in enumerate(finalists.students)
        if confirmed.source == source
    }


def distil(
    bench: Workbench,
    ladder: Ladder,
    shape: Architecture,
    begin: Path,
    *,
    tag: str,
    part: Part = WHOLE,
    source: Source | None = None,
) -> Distilled:
    """Train the student on its teacher, as long as the recipe wants and the time allows.

    Args:
        bench: What all stages share.
        ladder: Names the precision that the student will run in.
        shape: Of the student.
        begin: Its weights so far.
        tag: Of its files and choices, so that one run can train several.
        part: Which training of those that the recipe knows.
        source: What the student was cut out of; None = the teacher.
    """
    job = job_of(bench, shape, begin, part=part, source=source)
    bfloat16 = bool(bench.run.choose(f"distil{tag}.bfloat16", lambda: faster_in_bfloat16(job, plan_of(bench, 1))))
    speed = bench.run.choose(
        f"distil{tag}.examples_per_second", lambda: examples_per_second(job, plan_of(bench, 1, bfloat16=bfloat16))
    )
    rows, left = _rows(bench), _seconds(bench, part)
    if bench.losses is not None:
        bench.observer.note(f"losses: {bench.losses}")
    steps = bench.run.choose(
        f"distil{tag}.steps", lambda: fitting_steps(rows, examples_per_second=speed, seconds=left, part=part)
    )
    bench.observer.note(
        f"{steps} steps ({steps * job.batch / rows:.1f} passes) at {speed:.0f} examples/s on {bench.crew}"
        + (", products in bfloat16" if bfloat16 else "")
        + ("" if steps >= wanted_steps(rows, part) else ", as many as the time budget allows")
    )
    budget = bench.request.time_budget_s
    for note in overdraft_notes(steps * job.batch / speed, left, share=part.budget, time_budget_s=budget):
        bench.observer.note(note)
    losses, weights = _losses_so_far(bench, tag), weights_path(bench, tag)

    def watch(step: int, loss: float) -> None:
        losses[step] = loss
        bench.run.save(f"curve{tag}", _curve(tag, losses))
        bench.observer.progress(step / steps, f"loss {loss:.4f}{glimpses.words()}")

    checkpoint = bench.run.file(f"checkpoint{tag}.safetensors")
    glimpses = Glimpses(bench, job, checkpoint)
    if not weights.exists():  # else it was killed behind its training, in front of its record
        train(
            job,
            plan_of(bench, steps, part=part, bfloat16=bfloat16),
            weights,
            checkpoint=checkpoint,
            progress=watch,
            note=bench.observer.note,
        )
    checkpoint.unlink(missing_ok=True)
    bench.run.measured("distil", TRAINING, _curve(tag, losses))
    rung, student = ladder.fastest, load_encoder(shape, weights)
    model = bench.quantised(student, rung.precision).model.SerializeToString()
    drop = selection_drop(bench, model, rung.options, rung.precision)
    bench.observer.note(f"student {rung.precision}: drop {drop:+.2f} points on the selection split")
    return Distilled(steps, speed, drop)


def _losses_so_far(bench: Workbench, tag: str) -> dict[int, float]:
    """What a training reported until it was killed, by step."""
    if not bench.run.finished(f"curve{tag}"):
        return {}
    curve = bench.run.load(f"curve{tag}", TrainingCurve)
    return dict(zip(curve.steps, curve.losses, strict=True))


def _curve(tag: str, losses: dict[int, float]) -> TrainingCurve:
    """A step that was gone back to, or run again behind a checkpoint, counts as it was run last."""
    steps = tuple(sorted(losses))
    return TrainingCurve(f"student{tag}", steps, tuple(losses[step] for step in steps))


def inherited(bench: Workbench, confirmed: Confirmed, tag: str, reference: Reference | None = None) -> Path:
    """Weights of the untrained student; with a recipe that refits, its projections take over what was cut away.

    Args:
        bench: What all stages share.
        confirmed: The student.
        tag: Of the file.
        reference: What was cut, on the calibration text; None = it is computed.
    """
    student = inherit(source_encoder(bench, confirmed.source), confirmed.cut)
    if bench.request.recipe.refit:
        refit(student, reference or _reference(bench, confirmed.source), confirmed.cut)
    shape = confirmed.architecture
    if (shape.hidden, shape.activation) != (student.architecture.hidden, student.architecture.activation):
        student = narrowed(student, shape.hidden, shape.activation)
    path = bench.run.file(f"inherited{tag}.safetensors")
    save_file(student.state_dict(), path)
    return path


def _reference(bench: Workbench, source: Source | None) -> Reference:
    return Reference(source_encoder(bench, source), calibration_text(bench))


def raced_path(bench: Workbench, tag: str, number: int) -> Path:
    """A finalist's weights after the race."""
    return bench.run.file(f"raced{tag}-{number}.safetensors")


def _rows(bench: Workbench) -> int:
    """Of the text that is trained on, changed copies included."""
    return len(Tokens.load(bench.run.file("tokens")))


def _seconds(bench: Workbench, part: Part) -> float:
    """That a training may take; time is kept for what comes behind it."""
    budget = bench.request.time_budget_s
    behind = {ASSISTANT: BEHIND_ASSISTANT.budget * budget, REPAIR: -REPAIR_SECONDS}
    closing = closing_seconds(bench, tokens_per_second=teacher_speed(bench))
    reserved = reserved_seconds(closing) + behind.get(part, 0.0)
    return min(part.budget * budget, bench.seconds_left - reserved)


def reserved_seconds(closing: Mapping[str, float]) -> float:
    """Of the time budget, for what comes behind a training: the closing stages, and a student that is cut further."""
    longer = max(0.0, sum(closing.values()) - FINISHING_SECONDS)
    return FINISHING_SECONDS + REPAIR_SECONDS + 2 * longer


def plan_of(bench: Workbench, steps: int, *, part: Part = WHOLE, bfloat16: bool = False) -> TrainPlan:
    """A training on the text of the run, on all that there is to train with."""
    rows, seed = _rows(bench), bench.request.seed
    return plan(steps, rows=rows, crew=bench.crew, seed=seed, part=part, bfloat16=bfloat16)


def job_of(
    bench: Workbench, shape: Architecture, weights: Path, *, part: Part = WHOLE, source: Source | None = None
) -> FittingJob | ObjectiveJob:
    """A network of that shape, trained on the teacher, or on what it was cut out of; see `objective_job`."""
    kind, batch = bench.teacher.kind, plan_of(bench, 1).batch
    if bench.losses is not None:
        student = StoredEncoder(shape, weights)
        return objective_job(bench, bench.losses, student, batch=batch, part=part, source=source)
    targets, loss = bench.run.file("logits.npy"), distillation_loss(kind)
    if not bench.request.recipe.distilled:
        targets, loss = bench.run.file("labels.npy"), fine_tuning_loss(kind)
        np.save(targets, bench.train_targets.values)
    return FittingJob(
        architecture=shape,
        weights=weights,
        tokens=bench.run.file("tokens"),
        targets=targets,
        loss=loss,
        batch=batch,
        seed=bench.request.seed,
        pad_id=bench.pad_id,
    )
