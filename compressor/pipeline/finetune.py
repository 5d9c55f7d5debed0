"""Making a teacher: a pre-trained model and labelled text to a fine-tuned folder."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from compressor.export import check_output, move_into_place
from compressor.profiles import usable_threads
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.observer import Observer
from compressor.records.training import TrainPlan
from compressor.runtimes import open_device
from compressor.tasks import TextTokenizer, encode_split, get_metric, points, read_task
from compressor.tasks.outputs import model_outputs
from compressor.teachers import load_base
from compressor.teachers.losses import fine_tuning_loss
from compressor.teachers.saving import save_teacher
from compressor.train import FittingJob, train

BATCH, MAX_RANKS = 64, 16
# Measured at width 384 (benchmarks/log.md); falls to the usual 5e-5 of BERT-base at 768.
LEARNING_RATE, AT_WIDTH, HIGHEST_RATE = 2e-4, 384, 1e-3


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
    metric: str | None = None,
    eval_split: str | None = None,
    seed: int = 0,
    force: bool = False,
) -> FineTuned:
    """Fine-tune a model on a data folder and write it in the layout of `transformers`.

    Raises:
        InputError: Model, data or output cannot be used.
    """
    check_output(output, force=force)
    task = read_task(data, metric=metric, eval_split=eval_split, agreement=False)
    base = load_base(model, task.spec.label_names, kind=task.spec.kind, seed=seed)
    tokenizer, pad_id = TextTokenizer(model), int(base.config.get("pad_token_id") or 0)
    longest = base.architecture.positions
    tokens, targets = encode_split(tokenizer, task.splits["train"], task.spec, max_length=longest)
    ranks = min(usable_threads(), MAX_RANKS)
    batch = BATCH - BATCH % ranks
    steps = max(1, round(epochs * len(targets) / batch))
    begin = time.monotonic()
    observer.begin("finetune", f"train {steps} steps of {batch} on {len(targets)} rows")
    with tempfile.TemporaryDirectory(prefix="compressor-") as name:
        folder = Path(name)
        tokens.save(folder / "tokens")
        np.save(folder / "labels.npy", targets.values)
        save_file(base.encoder.state_dict(), folder / "start.safetensors")
        paths = folder / "start.safetensors", folder / "tokens", folder / "labels.npy"
        loss = fine_tuning_loss(base.kind)
        job = FittingJob(base.architecture, *paths, loss, batch=batch, seed=seed, pad_id=pad_id)
        plan = TrainPlan(
            steps=steps, batch=batch, learning_rate=_learning_rate(base.architecture.hidden), ranks=ranks, seed=seed
        )
        train(
            job,
            plan,
            folder / "trained.safetensors",
            progress=lambda step, loss: observer.progress(step / steps, f"loss {loss:.4f}"),
        )
        base.encoder.load_state_dict(load_file(folder / "trained.safetensors"))
        save_teacher(
            base.encoder,
            base.family,
            base.config,
            task.spec.label_names,
            tokenizer=model,
            folder=folder / "teacher",
        )
        move_into_place(folder / "teacher", output)
    held, held_targets = encode_split(tokenizer, task.splits[task.spec.eval_split], task.spec, max_length=longest)
    outputs = model_outputs(
        open_device("onnxruntime"),
        base.encoder.emit().SerializeToString(),
        CompileOptions(1),
        held,
        precision=Precision.FP32,
        threads=usable_threads(),
        pad_id=pad_id,
    )
    observer.end("finetune", time.monotonic() - begin, cached=False)
    reached = points(get_metric(task.spec.metric)(outputs, held_targets))
    return FineTuned(output, task.spec.metric, reached, task.spec.eval_split)


def _learning_rate(hidden: int) -> float:
    """The wider the model, the lower: LEARNING_RATE (AT_WIDTH / hidden)^2."""
    return min(HIGHEST_RATE, LEARNING_RATE * (AT_WIDTH / hidden) ** 2)
