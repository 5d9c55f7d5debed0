"""A student's distillation as a job for the training loop."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from compressor.distill.logits import logit_loss
from compressor.encoder import Encoder
from compressor.records.architecture import Architecture
from compressor.tasks.tokens import Tokens
from compressor.train import DataOrder, Setup


@dataclass(frozen=True)
class DistillationJob:
    """Train a student on the teacher's stored logits.

    Attributes:
        architecture: Of the student.
        weights: Its inherited weights (safetensors).
        tokens: Folder of the training text's tokens.
        logits: The teacher's logits on them, float32 [rows, classes] (.npy).
        batch: Rows per step.
        seed: Of the data order.
        pad_id: Token id of padding.
    """

    architecture: Architecture
    weights: Path
    tokens: Path
    logits: Path
    batch: int
    seed: int
    pad_id: int

    def setup(self) -> Setup:
        """See `Job`. The embedding tables are frozen: 11.7 M parameters of which a batch touches a few rows."""
        student = Encoder(self.architecture)
        student.load_state_dict(load_file(self.weights))
        for table in student.embeddings.tables:
            table.weight.requires_grad_(False)
        tokens = Tokens.load(self.tokens)
        logits = np.load(self.logits, mmap_mode="r")
        order = DataOrder(tokens.lengths, self.batch, self.seed)
        return Setup(student, _LogitStep(tokens, logits, self.pad_id), order)


@dataclass(frozen=True, eq=False)
class _LogitStep:
    tokens: Tokens
    logits: NDArray[np.float32]
    pad_id: int

    def __call__(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        batch = {name: torch.from_numpy(value) for name, value in self.tokens.padded(rows, self.pad_id).items()}
        student = model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        return logit_loss(student, torch.from_numpy(self.logits[rows]))
