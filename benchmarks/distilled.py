"""Small students of one teacher, trained with losses by name: what comparisons of losses and of shapes share."""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from compressor.distill.job import ObjectiveJob, Stored, StoredEncoder
from compressor.distill.objectives import completed
from compressor.distill.recipe import ranks_on
from compressor.encoder import Encoder
from compressor.precision import apply_precision
from compressor.profiles import usable_threads
from compressor.records.architecture import Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.latency import CompileOptions
from compressor.records.training import TrainPlan
from compressor.runtimes import LocalDevice
from compressor.tasks import Tokens, get_metric, points
from compressor.tasks.outputs import model_outputs
from compressor.teachers import Teacher, load_teacher
from compressor.train import train

PAD_ID = 0


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
    targets: NDArray[np.int64]
    metric: str

    @cached_property
    def teacher(self) -> Teacher:
        """What is learnt from."""
        loaded = load_teacher(self.teacher_folder)
        if not isinstance(loaded, Teacher):
            raise TypeError(f"expected a teacher that can be cut, got {self.teacher_folder}")
        return loaded

    @classmethod
    def made(
        cls, folder: Path, teacher_folder: Path, train: tuple[Tokens, Any], evaluation: tuple[Tokens, Any], metric: str
    ) -> "Answered":
        """Write what training needs; `train` and `evaluation`: tokens and targets."""
        found = cls(folder, teacher_folder, evaluation[0], evaluation[1].values, metric)
        folder.mkdir(parents=True, exist_ok=True)
        train[0].save(folder / "tokens")
        np.save(folder / "labels.npy", train[1].values)
        np.save(folder / "logits.npy", found.answers(found.teacher.encoder, train[0]))
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
        self, student: StoredEncoder, recipe: DistillRecipe, *, steps: int, batch: int, rate: float, seed: int
    ) -> dict[str, Any]:
        """Train a student on all cores: its score, and seconds per 1,000 examples."""
        ranks, result = ranks_on(usable_threads()), self.folder / "trained.safetensors"
        plan = TrainPlan(steps=steps, batch=batch - batch % ranks, learning_rate=rate, ranks=ranks, seed=seed)
        begin = time.monotonic()
        train(self.job(student, recipe, batch=plan.batch, seed=seed), plan, result)
        seconds = time.monotonic() - begin
        score = self.points(StoredEncoder(student.architecture, result).load().eval())
        return {
            "points": round(score, 3),
            "steps": steps,
            "seconds_per_1000": round(1e3 * seconds / (steps * plan.batch), 3),
        }


def keep(encoder: Encoder, path: Path) -> StoredEncoder:
    """An encoder on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(encoder.state_dict(), path)
    return StoredEncoder(encoder.architecture, path)
