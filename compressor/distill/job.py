"""Distilling a student with losses by name, as a job for the training loop.

    loss of a row = sum over the recipe's losses of weight x loss(trace of the student, trace of the teacher, label)

The teacher runs in every step in which a loss reads its hidden states or attention scores; where only its logits are
read, those on disk do. The embedding tables are frozen as in `train.fitting`, unless a loss trains them. Projections
between student and teacher begin where they fit what both compute in front of the training, are trained along, and
only the student is kept.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from compressor.distill.objectives import Combined, Need, Setting
from compressor.encoder import INPUTS, Encoder, Sizes, Trace, Traced, sizes_of
from compressor.errors import BorderError
from compressor.records.architecture import Architecture
from compressor.records.distillation import DistillRecipe
from compressor.records.task import TaskKind
from compressor.tasks.tokens import Tokens
from compressor.train import DataOrder, Setup
from compressor.train.fitting import output_scale, targets_of_rows

SCORES: Need = "attention scores"
INSIDE = frozenset[Need]({"hidden states", SCORES})
# That projections are fitted to, and how many of them at once.
OBSERVED_ROWS, ROWS_AT_ONCE = 512, 64


class Stored(Protocol):
    """A model on disk, as a small value that can be sent to another process."""

    @property
    def sizes(self) -> Sizes:
        """Of its traces."""

    def load(self) -> Traced:
        """A new torch module with its weights."""


@dataclass(frozen=True)
class StoredEncoder:
    """A canonical encoder.

    Attributes:
        architecture: Its shape.
        weights: File of its weights (safetensors).
    """

    architecture: Architecture
    weights: Path

    @property
    def sizes(self) -> Sizes:
        """See `Stored`."""
        return sizes_of(self.architecture)

    def load(self) -> Encoder:
        """See `Stored`."""
        encoder = Encoder(self.architecture)
        encoder.load_state_dict(load_file(self.weights))
        return encoder


@dataclass(frozen=True)
class ObjectiveJob:
    """Train a student on what its teacher computes.

    Attributes:
        student: Where it starts.
        teacher: What it learns from.
        kind: Of the task.
        recipe: The losses, completed.
        tokens: Folder of the training text's tokens.
        labels: Class ids or values [rows], of a per-token model flat [tokens] as in `tokens`, -100 where nothing
            counts (.npy).
        logits: The teacher's [rows, classes], of a per-token model [tokens, classes] (.npy).
        batch: Rows per step.
        seed: Of the data order.
        pad_id: Token id of padding.
        begin: Share of the losses' schedules at which the training begins; they end with it.
    """

    student: Stored
    teacher: Stored
    kind: TaskKind
    recipe: DistillRecipe
    tokens: Path
    labels: Path
    logits: Path
    batch: int
    seed: int
    pad_id: int
    begin: float = 0.0

    def check(self) -> None:
        """Refuse a student that the losses cannot match with the teacher, before anything is loaded.

        Raises:
            InputError: See `Combined`.
        """
        Combined(self.recipe, self._setting(1.0))

    @property
    def settled(self) -> float:
        """Share of the training from which on the losses train the outputs as they are."""
        return Combined(self.recipe, self._setting(1.0)).settled

    def setup(self) -> Setup:
        """See `Job`.

        Raises:
            InputError: The losses cannot match student and teacher.
            BorderError: Labels, logits and tokens do not fit together.
        """
        text = _Text.load(self)
        objective = Combined(self.recipe, self._setting(output_scale(self.kind, text.tokens, text.logits)))
        model = Distilling(self.student.load(), objective)
        if model.looks_inside(self.begin):
            model.teacher = _frozen(self.teacher.load())
            if objective.projects:
                _fit_projections(model, model.teacher, text, at=self.begin, seed=self.seed)

        def step(progress: float) -> _Step:
            return _Step(text, self.begin + (1 - self.begin) * progress)

        order = DataOrder(text.tokens.lengths, self.batch, self.seed)
        return Setup(model, step(0.0), order, inner=model.student.inner, result=model.student, later=step)

    def _setting(self, scale: float) -> Setting:
        return Setting(self.student.sizes, self.teacher.sizes, self.kind, scale)


class Distilling(nn.Module):
    """A student and its losses, with their projections: what is trained.

    Args:
        student: What is kept.
        objective: What is thrown away.

    Attributes:
        teacher: What runs beside it, on the same device, and stays as it is; None = nothing has to.
    """

    teacher: Traced | None

    def __init__(self, student: Traced, objective: Combined) -> None:
        super().__init__()
        if not isinstance(student, nn.Module):
            raise BorderError(f"a student has to be a torch module, got {type(student).__name__}")
        self.student, self.objective, self.teacher = student, objective, None
        for table in student.tables:
            table.weight.requires_grad_(objective.trains_tables)

    def train(self, mode: bool = True) -> "Distilling":
        """Of what is trained alone: the teacher only answers."""
        super().train(mode)
        if self.teacher is not None:
            cast(nn.Module, self.teacher).eval()
        return self

    def looks_inside(self, progress: float) -> bool:
        """Whether hidden states or scores are read from a share of the training on, so that the teacher has to run."""
        return bool(self.objective.needs_at(progress) & INSIDE)

    def trace(self, of: Traced, ids: Tensor, mask: Tensor, types: Tensor, at: float) -> Trace:
        """What the losses read of a model at a share of the training."""
        if not self.looks_inside(at):
            return Trace(of(ids, mask, types), mask)
        return of.trace(ids, mask, types, scores=SCORES in self.objective.needs_at(at))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor, teacher: Trace, labels: Tensor, at: float) -> Tensor:
        """Sum of the rows' losses: int64 [batch, length] three times, the teacher's trace, labels, progress."""
        loss: Tensor = self.objective(self.trace(self.student, ids, mask, types, at), teacher, labels, at)
        return loss


@dataclass(frozen=True, eq=False)
class _Text:
    """What is trained on."""

    tokens: Tokens
    labels: NDArray[Any]
    logits: NDArray[Any]
    pad_id: int
    per_token: bool

    @classmethod
    def load(cls, job: ObjectiveJob) -> "_Text":
        tokens, per_token = Tokens.load(job.tokens), job.kind == "token-classification"
        expected = len(tokens.ids) if per_token else len(tokens)
        arrays = [np.load(path, mmap_mode="r") for path in (job.labels, job.logits)]
        for path, array in zip((job.labels, job.logits), arrays, strict=True):
            if len(array) != expected:
                raise BorderError(f"{path}: expected {expected} targets for {job.tokens}, found {len(array)}")
        return cls(tokens, arrays[0], arrays[1], job.pad_id, per_token)

    def inputs(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask and token types, int64 [rows, length] each."""
        batch = self.tokens.padded(rows, self.pad_id)
        ids, mask, types = (torch.from_numpy(batch[name]) for name in INPUTS)
        return ids, mask, types

    def of_rows(self, array: NDArray[Any], rows: NDArray[np.int64]) -> Tensor:
        """Labels or logits of rows, or of their tokens."""
        return torch.from_numpy(targets_of_rows(array, self.tokens, rows, per_token=self.per_token))


@dataclass(frozen=True, eq=False)
class _Step:
    text: _Text
    progress: float

    def __call__(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        if not isinstance(model, Distilling):
            raise BorderError(f"expected the model of this job, got {type(model).__name__}")
        device = next(model.parameters()).device
        ids, mask, types = (part.to(device) for part in self.text.inputs(rows))
        labels = self.text.of_rows(self.text.labels, rows).to(device)
        if model.teacher is None or not model.looks_inside(self.progress):
            teacher = Trace(self.text.of_rows(self.text.logits, rows).to(device), mask)
        else:
            with torch.no_grad():
                teacher = model.trace(model.teacher, ids, mask, types, self.progress)
        loss: Tensor = model(ids, mask, types, teacher, labels, self.progress)
        return loss


@torch.no_grad()
def _fit_projections(model: Distilling, teacher: Traced, text: _Text, *, at: float, seed: int) -> None:
    """Let projections begin where they fit student and teacher as they are.

    Of some rows, drawn by the seed of the data order: the same in every rank and in every continuation.
    """
    rows = np.random.default_rng(seed).permutation(len(text.tokens))[:OBSERVED_ROWS]
    training = model.training
    model.eval()
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        ids, mask, types = text.inputs(rows[begin : begin + ROWS_AT_ONCE])
        ours, theirs = (model.trace(of, ids, mask, types, at) for of in (model.student, teacher))
        model.objective.observe(ours, theirs)
    model.objective.fit()
    model.train(training)


def _frozen(model: Traced) -> Traced:
    """For reading only."""
    if not isinstance(model, nn.Module):
        raise BorderError(f"a teacher has to be a torch module, got {type(model).__name__}")
    return model.eval().requires_grad_(False)
