"""Making a teacher: a pre-trained model and labelled text to a fine-tuned folder."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from compressor.distill.overdraft import overdraft_notes
from compressor.distill.throughput import examples_per_second
from compressor.export import check_output, move_into_place
from compressor.pipeline.exhaustion import exhaustion_explained
from compressor.profiles import usable_threads
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.observer import Observer
from compressor.records.store import RunFolder
from compressor.records.task import TaskKind
from compressor.records.training import TrainPlan
from compressor.records.units import format_seconds
from compressor.runtimes import open_device
from compressor.tasks import Targets, TextData, TextTokenizer, Tokens, encode_split, get_metric, points, read_task
from compressor.tasks.outputs import model_outputs
from compressor.teachers import Teacher, load_base
from compressor.teachers.losses import fine_tuning_loss
from compressor.teachers.saving import save_teacher
from compressor.train import Crew, FittingJob, crew_of, crew_on, train, usable_gpus

BATCH = 64
# Measured at width 384 (benchmarks/log.md); falls to the usual 5e-5 of BERT-base at 768.
LEARNING_RATE, AT_WIDTH, HIGHEST_RATE = 2e-4, 384, 1e-3
MIN_STEPS = 50
CHECKPOINT_SECONDS, CHECKPOINT_STEPS = 30.0, 500  # the latter where the speed is not known
TRAINED = "trained.safetensors"


@dataclass(frozen=True)
class FineTuned:
    """A teacher: its folder, and its metric in points on the evaluation split."""

    folder: Path
    metric: str
    points: float
    eval_split: str


def finetune(
    model: Path,
    data: Path,
    output: Path,
    *,
    epochs: float,
    observer: Observer,
    kind: TaskKind | None = None,
    metric: str | None = None,
    eval_split: str | None = None,
    seed: int = 0,
    force: bool = False,
) -> FineTuned:
    """Fine-tune a model on a data folder and write it in the layout of `transformers`.

    Raises:
        InputError: Model, data or output cannot be used.
        ResourceError: Disk or memory do not suffice.
    """
    check_output(output, force=force)
    task = read_task(data, task=kind, metric=metric, eval_split=eval_split, agreement=False)
    base = load_base(model, task.spec.label_names, kind=task.spec.kind, seed=seed)
    with exhaustion_explained({"--output": output.parent}), tempfile.TemporaryDirectory(prefix="compressor-") as name:
        made = fit_teacher(base, task, RunFolder(Path(name)), epochs=epochs, observer=observer, seed=seed)
        move_into_place(made.folder, output)
    return replace(made, folder=output)


def fit_teacher(
    base: Teacher,
    task: TextData,
    work: RunFolder,
    *,
    epochs: float,
    observer: Observer,
    seed: int,
    seconds: float | None = None,
) -> FineTuned:
    """Train a model on the labels of a task, and measure it; called again on the same folder it continues.

    Args:
        base: The model, with a head for the task's labels.
        task: Its training split has labels, and so has its evaluation split.
        work: Keeps what is decided, the checkpoint and the result (`teacher`).
        epochs: Passes over the training text.
        observer: Who is told.
        seed: Of the order of the rows.
        seconds: At most about that long: the speed is measured first, and steps are left out where there is no time
            for all; None = as long as it takes.
    """
    rows = len(task.splits["train"])
    crew = crew_in(work)
    batch = batch_of(crew)
    wanted = max(1, round(epochs * rows / batch))
    begin = time.monotonic()
    observer.begin("finetune", f"train {wanted} steps of {batch} on {rows} rows")
    job = _job(base, task, work, batch=batch, seed=seed)
    whole = TrainPlan(
        steps=wanted,
        batch=batch,
        learning_rate=_learning_rate(base.architecture.hidden),
        ranks=crew.ranks,
        threads=crew.threads,
        device=crew.device,
        seed=seed,
        checkpoint_steps=CHECKPOINT_STEPS,
    )
    plan = whole if seconds is None else _fitted(whole, job, work, seconds, observer)
    if not work.file(TRAINED).exists():
        train(
            job,
            plan,
            work.file(TRAINED),
            checkpoint=work.file("checkpoint.safetensors"),
            progress=lambda step, loss: observer.progress(step / plan.steps, f"loss {loss:.4f}"),
            note=observer.note,
        )
    base.encoder.load_state_dict(load_file(work.file(TRAINED)))
    teacher = work.file("teacher")
    names = task.spec.label_names
    save_teacher(base.encoder, base.family, base.config, names, tokenizer=base.folder, folder=teacher)
    reached = _points(base, task)
    observer.end("finetune", time.monotonic() - begin, cached=False)
    return FineTuned(teacher, task.spec.metric, reached, task.spec.eval_split)


def crew_in(work: RunFolder) -> Crew:
    """Who trains, the same in every continuation."""
    cores, gpus = work.choose("finetune.cores", usable_threads), work.choose("finetune.gpus", usable_gpus)
    return crew_on(cores, gpus=gpus)


def batch_of(crew: Crew) -> int:
    """Rows per step: as many for each rank."""
    return BATCH - BATCH % crew.ranks


def _encoded(model: Teacher, task: TextData, split: str) -> tuple[Tokens, Targets]:
    tokenizer = TextTokenizer(model.folder)
    return encode_split(tokenizer, task.splits[split], task.spec, max_length=model.max_length)


def _job(base: Teacher, task: TextData, work: RunFolder, *, batch: int, seed: int) -> FittingJob:
    """The training as files of the work folder."""
    tokens, targets = _encoded(base, task, "train")
    tokens.save(work.file("tokens"))
    np.save(work.file("labels.npy"), targets.values)
    save_file(base.encoder.state_dict(), work.file("start.safetensors"))
    paths = work.file("start.safetensors"), work.file("tokens"), work.file("labels.npy")
    loss = fine_tuning_loss(base.kind)
    return FittingJob(base.architecture, *paths, loss, batch=batch, seed=seed, pad_id=base.pad_id)


def _points(model: Teacher, task: TextData) -> float:
    """The metric on the evaluation split, in points."""
    tokens, targets = _encoded(model, task, task.spec.eval_split)
    outputs = model_outputs(
        open_device("onnxruntime"),
        model.encoder.emit().SerializeToString(),
        CompileOptions(1),
        tokens,
        precision=Precision.FP32,
        threads=usable_threads(),
        pad_id=model.pad_id,
    )
    return points(get_metric(task.spec.metric)(outputs, targets))


def _fitted(plan: TrainPlan, job: FittingJob, work: RunFolder, seconds: float, observer: Observer) -> TrainPlan:
    """As many of the steps as fit into the time at the speed that is measured here."""
    speed = work.choose("finetune.examples_per_second", lambda: examples_per_second(job, plan))
    steps_per_second = speed / job.batch
    steps = work.choose("finetune.steps", lambda: min(plan.steps, max(MIN_STEPS, int(seconds * steps_per_second))))
    observer.note(
        f"{steps} steps at {speed:.0f} examples/s on {crew_of(plan)}, about "
        f"{format_seconds(steps / steps_per_second)}"
        + ("" if steps == plan.steps else f", as many of {plan.steps} as the time budget allows")
    )
    for note in overdraft_notes(steps / steps_per_second, seconds):
        observer.note(note)
    return replace(plan, steps=steps, checkpoint_steps=max(1, round(CHECKPOINT_SECONDS * steps_per_second)))


def _learning_rate(hidden: int) -> float:
    """The wider the model, the lower: LEARNING_RATE (AT_WIDTH / hidden)^2."""
    return min(HIGHEST_RATE, LEARNING_RATE * (AT_WIDTH / hidden) ** 2)
