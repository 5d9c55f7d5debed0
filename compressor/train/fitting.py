"""Fitting an encoder to stored targets, as a job for the training loop: labels for a teacher, logits for a student.

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

from compressor.encoder import Encoder
from compressor.records.architecture import Architecture
from compressor.tasks.tokens import Tokens
from compressor.train.job import Setup
from compressor.train.order import DataOrder

# (outputs, targets) -> the SUM of the rows' losses; a function of a module, so that it can go to another process.
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FittingJob:
    """Train an encoder.

    Attributes:
        architecture: Of the model.
        weights: Where it starts (safetensors).
        tokens: Folder of the training text's tokens.
        targets: What the loss compares the outputs with, [rows, ...] (.npy).
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
        """See `Job`."""
        model = Encoder(self.architecture)
        model.load_state_dict(load_file(self.weights))
        for table in model.embeddings.tables:
            table.weight.requires_grad_(False)
        tokens = Tokens.load(self.tokens)
        step = _FittingStep(tokens, np.load(self.targets, mmap_mode="r"), self.loss, self.pad_id)
        return Setup(model, step, DataOrder(tokens.lengths, self.batch, self.seed))


@dataclass(frozen=True, eq=False)
class _FittingStep:
    tokens: Tokens
    targets: NDArray[Any]
    loss: Loss
    pad_id: int

    def __call__(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        batch = {name: torch.from_numpy(value) for name, value in self.tokens.padded(rows, self.pad_id).items()}
        outputs = model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        return self.loss(outputs, torch.from_numpy(self.targets[rows]))
