"""Fine-tuning a teacher as a job for the training loop.

    loss(x) = -log softmax(z(x))[label]

The embedding tables are frozen: a small data set touches few of their rows, and those only drift away from the rest.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from compressor.encoder import Encoder
from compressor.records.architecture import Architecture
from compressor.tasks.tokens import Tokens
from compressor.train import DataOrder, Setup


@dataclass(frozen=True)
class FineTuningJob:
    """Train a model on labels.

    Attributes:
        architecture: Of the model.
        weights: Where it starts (safetensors).
        tokens: Folder of the training text's tokens.
        labels: int64 [rows] (.npy).
        batch: Rows per step.
        seed: Of the data order.
        pad_id: Token id of padding.
    """

    architecture: Architecture
    weights: Path
    tokens: Path
    labels: Path
    batch: int
    seed: int
    pad_id: int

    def setup(self) -> Setup:
        """See `Job`."""
        model = Encoder(self.architecture)
        model.load_state_dict(load_file(self.weights))
        for table in model.embeddings.tables:
            table.weight.requires_grad_(False)
        tokens, labels = Tokens.load(self.tokens), np.load(self.labels)
        return Setup(model, _LabelStep(tokens, labels, self.pad_id), DataOrder(tokens.lengths, self.batch, self.seed))


@dataclass(frozen=True, eq=False)
class _LabelStep:
    tokens: Tokens
    labels: NDArray[np.int64]
    pad_id: int

    def __call__(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        batch = {name: torch.from_numpy(value) for name, value in self.tokens.padded(rows, self.pad_id).items()}
        logits = model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        return F.cross_entropy(logits, torch.from_numpy(self.labels[rows]), reduction="sum")
