"""What a teacher learns from: labels, or values.

label_loss(x) = -log softmax(z(x))[label]
value_loss(x) = (z(x) - value)^2
"""

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from compressor.records.task import TaskKind
from compressor.train import Loss


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the cross entropies of `logits` [rows, classes] and class ids [rows]; the id -100 costs nothing."""
    return F.cross_entropy(logits, labels, reduction="sum")


def value_loss(outputs: Tensor, values: Tensor) -> Tensor:
    """Sum of the squared errors of `outputs` [rows, 1] against `values` [rows]."""
    return F.mse_loss(outputs[:, 0], values.to(outputs.dtype), reduction="sum")


LOSSES: dict[TaskKind, Loss] = {
    "text-classification": label_loss,
    "regression": value_loss,
    "token-classification": label_loss,
}


def fine_tuning_loss(kind: TaskKind) -> Loss:
    """The loss that a teacher of a kind of task is trained with."""
    return LOSSES[kind]
