"""Fitting an encoder to stored targets, as a job for the training loop: labels for a teacher, logits for a student.

    loss of a row = its share of loss(outputs, targets) / scale

| kind | scale | so that |
| --- | --- | --- |
| text classification | 1 | |
| regression | variance of all targets | clipping and rates fit any range of scores |
| token classification | mean tokens of a row | a row counts as one, and every token the same |

The scale is one number for the whole training, so a step is still a sum over rows, whichever rank computes them.
The embedding tables are frozen: a batch touches a few of their rows, and those would only drift away from the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from compressor.encoder import Encoder, drop_padding
from compressor.errors import BorderError
from compressor.records.architecture import Architecture
from compressor.records.task import TaskKind
from compressor.tasks.tokens import Tokens
from compressor.train.job import Setup
from compressor.train.order import DataOrder

# (outputs, targets) -> the SUM of the losses of rows, of a per-token model of tokens; a function of a module, so that
# it can go to another process.
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FittingJob:
    """Train an encoder.

    Attributes:
        architecture: Of the model.
        weights: Where it starts (safetensors).
        tokens: Folder of the training text's tokens.
        targets: What the loss compares the outputs with, [rows, ...]; of a per-token model flat, [tokens, ...] as in
            `tokens` (.npy).
        loss: The loss.
        batch: Rows per step.
        seed: Of the data order.
        pad_id: Token id of padding.
    """

    architecture: Architecture
    weights: Path
    tokens: Path
    targets: Path
    loss: Loss
    batch: int
    seed: int
    pad_id: int

    def setup(self) -> Setup:
        """See `Job`.

        Raises:
            BorderError: Targets and tokens do not fit together.
        """
        model = Encoder(self.architecture)
        model.load_state_dict(load_file(self.weights))
        for table in model.embeddings.tables:
            table.weight.requires_grad_(False)
        tokens = Tokens.load(self.tokens)
        targets = np.load(self.targets, mmap_mode="r")
        expected = len(tokens.ids) if self.architecture.per_token else len(tokens)
        if len(targets) != expected:
            raise BorderError(f"{self.targets}: expected {expected} targets for {self.tokens}, found {len(targets)}")
        scale = output_scale(self.architecture.kind, tokens, targets)
        step = _FittingStep(tokens, targets, self.loss, self.pad_id, scale, per_token=self.architecture.per_token)
        return Setup(model, step, DataOrder(tokens.lengths, self.batch, self.seed), inner=model.inner)


@dataclass(frozen=True, eq=False)
class _FittingStep:
    tokens: Tokens
    targets: NDArray[Any]
    loss: Loss
    pad_id: int
    scale: float
    per_token: bool

    def __call__(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        device = next(model.parameters()).device
        padded = self.tokens.padded(rows, self.pad_id)
        batch = {name: torch.from_numpy(value).to(device) for name, value in padded.items()}
        outputs = model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        outputs = drop_padding(outputs, batch["attention_mask"])
        targets = targets_of_rows(self.targets, self.tokens, rows, per_token=self.per_token)
        return self.loss(outputs, torch.from_numpy(targets).to(device)) / self.scale


def targets_of_rows(
    targets: NDArray[Any], tokens: Tokens, rows: NDArray[np.int64], *, per_token: bool
) -> NDArray[Any]:
    """Targets [rows, ...]; of a per-token model those of all tokens of the rows, [tokens, ...].

    Args:
        targets: Of all rows, or flat of all tokens.
        tokens: Of all rows.
        rows: Row numbers.
        per_token: Whether every token has a target.
    """
    if not per_token:
        return targets[rows]
    starts, ends = tokens.offsets[rows], tokens.offsets[rows + 1]
    return np.concatenate([targets[start:end] for start, end in zip(starts, ends, strict=True)])


def output_scale(kind: TaskKind, tokens: Tokens, targets: NDArray[Any]) -> float:
    """What a loss on outputs is divided by, so that a row counts as one; see above."""
    if kind == "token-classification":
        return len(tokens.ids) / len(tokens)
    # Targets that are all the same have no spread to measure errors in.
    return (float(np.var(targets, dtype=np.float64)) or 1.0) if kind == "regression" else 1.0
