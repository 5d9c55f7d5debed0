"""How far the outputs of a cut teacher are from its own, summed over rows, by the kind of its task.

    classes, tokens:  T^2 KL(softmax(z / T) || softmax(z' / T)),  T = 2, of a token model summed over the real tokens
    regression:       (z - z')^2 / variance of z over the calibration rows

The second is the divergence of two Gaussians around z and z', up to a factor; the variance makes it independent of the
range of the scores.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from compressor.encoder import Encoder
from compressor.records.task import TaskKind
from compressor.score.batches import Batch

TEMPERATURE = 2.0


def tempered_divergence(target: Tensor, logits: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Sum over rows of T^2 KL(softmax(target / T) || softmax(logits / T)), a scalar; both [rows, classes]."""
    p, q = (target / temperature).log_softmax(-1), (logits / temperature).log_softmax(-1)
    return temperature**2 * F.kl_div(q, p, reduction="sum", log_target=True)


def divergence(target: Tensor, logits: Tensor) -> float:
    """The same as a number, at least 0."""
    return max(0.0, float(tempered_divergence(target, logits)))


def squared_error(target: Tensor, outputs: Tensor) -> float:
    """Sum over rows of the squared errors of a regression; both [rows, 1]."""
    return float((outputs - target).square().sum())


def mean_divergence(kind: TaskKind, target: Tensor, outputs: Tensor) -> float:
    """Mean over rows (of a token model: tokens) of what the outputs of a kind of task differ by.

    Args:
        kind: Of the task.
        target: The teacher's outputs, [rows, classes].
        outputs: Of the student, the same shape.
    """
    if kind != "regression":
        return divergence(target, outputs) / len(target)
    return squared_error(target, outputs) / len(target) / (float(target.double().var(correction=0)) or 1.0)


@torch.inference_mode()
def output_variance(teacher: Encoder, batches: Sequence[Batch]) -> float:
    """Variance of the outputs of a regression over all rows; 1 where they are all the same."""
    outputs = torch.cat([teacher(batch.ids, batch.mask, batch.type_ids) for batch in batches])
    return float(outputs.double().var(correction=0)) or 1.0
