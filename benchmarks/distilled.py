"""Small students of one teacher, trained with losses by name: what comparisons of losses and of shapes share."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from benchmarks.frontier import TEACHER, pooled
from benchmarks.harness import ROWS
from benchmarks.other_tasks import TASKS, Task, make_teacher
from compressor.distill.job import ObjectiveJob, Stored, StoredEncoder
from compressor.distill.objectives import completed
from compressor.encoder import Encoder
from compressor.pipeline.demo import encoder_folder
from compressor.precision import apply_precision
from compressor.profiles import usable_threads
from compressor.records.architecture import Precision
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.latency import CompileOptions
from compressor.records.training import TrainPlan
from compressor.runtimes.local import LocalDevice
from compressor.tasks import Targets, TextTokenizer, Tokens, encode_split, get_metric, points, read_task
from compressor.tasks.outputs import model_outputs
from compressor.teachers import Teacher, load_teacher
from compressor.train import crew_on, train

WORK = ROWS / "nas_kd"
SST2 = "train_sentences"
PAD_ID = 0
NO_KD = DistillRecipe((LossTerm("vanilla-kd", 1.0, (("alpha", 0.0),)),))


@dataclass(frozen=True, eq=False)
class Answered:
    """A data set with its teacher's answers, on disk.

    Attributes:
        folder: Of tokens, labels and logits.
        teacher_folder: In the layout of transformers.
        evaluation: Tokens that students are judged by.
        targets: And what is right.
        metric: In which.
    """

    folder: Path
    teacher_folder: Path
    evaluation: Tokens
    targets: Targets
    metric: str

    @cached_property
    def teacher(self) -> Teacher:
        """What is learnt from."""
        return load_teacher(self.teacher_folder)

    @classmethod
    def made(
        cls,
        folder: Path,
        teacher_folder: Path,
        training: tuple[Tokens, Targets],
        evaluation: tuple[Tokens, Targets],
        metric: str,
    ) -> "Answered":
        """Write what training needs; `training` and `evaluation`: tokens and targets."""
        found = cls(folder, teacher_folder, *evaluation, metric)
        folder.mkdir(parents=True, exist_ok=True)
        training[0].save(folder / "tokens")
        np.save(folder / "labels.npy", training[1].values)
        np.save(folder / "logits.npy", found.answers(found.teacher.encoder, training[0]))
        return found

    def answers(self, encoder: Encoder, tokens: Tokens) -> NDArray[np.float32]:
        """Of a model in float32."""
        model = apply_precision(encoder.emit(), Precision.FP32).SerializeToString()
        return model_outputs(
            LocalDevice(),
            model,
            CompileOptions(1),
            tokens,
            precision=Precision.FP32,
            threads=usable_threads(),
            pad_id=PAD_ID,
        )

    def points(self, encoder: Encoder) -> float:
        """Score of a model in float32, 100 x metric."""
        return points(get_metric(self.metric)(self.answers(encoder, self.evaluation), self.targets))

    def job(self, student: Stored, recipe: DistillRecipe, *, batch: int, seed: int) -> ObjectiveJob:
        """The training of a student."""
        shape, weights = self.teacher.encoder.architecture, self.folder / "teacher.safetensors"
        if not weights.exists():
            keep(self.teacher.encoder, weights)
        return ObjectiveJob(
            student=student,
            teacher=StoredEncoder(shape, weights),
            kind=shape.kind,
            recipe=completed(recipe, shape.kind),
            tokens=self.folder / "tokens",
            labels=self.folder / "labels.npy",
            logits=self.folder / "logits.npy",
            batch=batch,
            seed=seed,
            pad_id=PAD_ID,
        )

    def trained(
        self,
        student: StoredEncoder,
        recipe: DistillRecipe,
        *,
        steps: int,
        batch: int,
        rate: float,
        seed: int,
        weights: Path | None = None,
    ) -> dict[str, Any]:
        """Train a student on all cores: its score, and seconds per 1,000 examples.

        Args:
            student: Where it starts.
            recipe: Its losses.
            steps: Of the optimiser.
            batch: Rows per step; as many fewer as make it a multiple of the cores.
            rate: The highest.
            seed: Of the order of the rows.
            weights: Where its weights are kept; None = nowhere.
        """
        crew, result = crew_on(usable_threads()), weights or self.folder / "trained.safetensors"
        plan = TrainPlan(
            steps=steps,
            batch=batch - batch % crew.ranks,
            learning_rate=rate,
            ranks=crew.ranks,
            threads=crew.threads,
            seed=seed,
        )
        reports: list[tuple[float, int]] = []
        train(
            self.job(student, recipe, batch=plan.batch, seed=seed),
            plan,
            result,
            progress=lambda step, loss: reports.append((time.monotonic(), step)),
        )
        score = self.points(StoredEncoder(student.architecture, result).load().eval())
        return {
            "points": round(score, 3),
            "steps": steps,
            "seconds_per_1000": seconds_per_1000(reports, plan.batch),
        }


def seconds_per_1000(reports: Sequence[tuple[float, int]], batch: int) -> float | None:
    """Of examples, from the first to the last report of a training: its processes took their time to start before.

    Args:
        reports: Seconds and step.
        batch: Rows per step.

    Returns:
        None where the training was over at the first report.
    """
    if len(reports) < 2 or reports[-1][1] == reports[0][1]:
        return None
    (begin, first), (end, last) = reports[0], reports[-1]
    return round(1e3 * (end - begin) / ((last - first) * batch), 3)


def keep(encoder: Encoder, path: Path) -> StoredEncoder:
    """An encoder on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(encoder.state_dict(), path)
    return StoredEncoder(encoder.architecture, path)


def task_of(name: str) -> Task:
    """A task whose teacher is fine-tuned here."""
    return next(task for task in TASKS if task.name == name)


@cache
def answered(name: str) -> Answered:
    """`sst2`, whose teacher is given, in pooled sentences; or another task, whose teacher is fine-tuned here."""
    if name == "sst2":
        teacher, data, evaluation = TEACHER, pooled(SST2), "test"
    else:
        task = task_of(name)
        teacher, data, evaluation = make_teacher(task, encoder_folder()), task.data, ""
    read = read_task(data, task="text-classification", agreement=False)
    tokenizer, longest = TextTokenizer(teacher), load_teacher(teacher).max_length
    training, judged = (
        encode_split(tokenizer, read.splits[split], read.spec, max_length=longest)
        for split in ("train", evaluation or read.spec.eval_split)
    )
    return Answered.made(WORK / name, teacher, training, judged, "accuracy")
