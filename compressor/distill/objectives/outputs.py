"""Losses on outputs that several objectives are made of; all SUMS, over rows or tokens, in the units of `Setting`.

    hard(z, y)  = -log softmax(z)[y], of a regression (z - y)^2
    soft(z, z_t) = T^2 KL(softmax(z_t / T) || softmax(z / T)), see `distill.logits`
    cross(z, z_t) = -sum_c softmax(z_t)_c log softmax(z)_c, of a regression (z - z_t)^2

`soft` is summed over the classes ("batchmean", not the mean over them that nn.KLDivLoss takes by default, which makes
the published weights of PKD, TAKD and Tf-KD 1 / classes of what they say), so that its gradient does not shrink with
their number, and T^2 keeps its size at any temperature (Hinton et al. 2015, section 2).

Of a per-token model all of them are sums over the tokens that have a label: what its teacher answers at special tokens
and later pieces of a word was never trained.
"""

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from compressor.distill.logits import logit_loss
from compressor.distill.objectives.base import Need, Setting
from compressor.distill.outputs import output_loss
from compressor.encoder import Trace
from compressor.tasks.targets import IGNORED
from compressor.teachers.losses import fine_tuning_loss


def counted(setting: Setting, values: Tensor, labels: Tensor) -> Tensor:
    """Values of what is answered: of every row [rows, ...], or of the tokens that have a label [tokens, ...]."""
    return values[labels != IGNORED] if setting.per_token else values


def hard(setting: Setting, student: Trace, labels: Tensor) -> Tensor:
    """What the student loses to the labels."""
    outputs, known = (counted(setting, values, labels) for values in (student.outputs, labels))
    return fine_tuning_loss(setting.kind)(outputs, known) / setting.scale


def soft(setting: Setting, student: Trace, teacher: Trace, labels: Tensor, *, temperature: float) -> Tensor:
    """What it loses to the teacher's softened distribution; 0 where they agree."""
    outputs, wanted = (counted(setting, trace.outputs, labels) for trace in (student, teacher))
    return logit_loss(outputs, wanted, temperature=temperature) / setting.scale


def cross(setting: Setting, student: Trace, teacher: Trace, labels: Tensor) -> Tensor:
    """The cross entropy with the teacher's distribution; least, but not 0, where they agree."""
    if setting.kind == "regression":
        return squared(setting, student, teacher, labels)
    outputs, wanted = (counted(setting, trace.outputs, labels) for trace in (student, teacher))
    return F.cross_entropy(outputs, wanted.softmax(-1), reduction="sum") / setting.scale


def squared(setting: Setting, student: Trace, teacher: Trace, labels: Tensor, *, factor: float = 1.0) -> Tensor:
    """Squared distance of the student's logits from a multiple of the teacher's, summed over the classes."""
    outputs, wanted = (counted(setting, trace.outputs, labels) for trace in (student, teacher))
    return output_loss(outputs, factor * wanted) / setting.scale


def hard_and_soft(
    setting: Setting, student: Trace, teacher: Trace, labels: Tensor, *, temperature: float, alpha: float
) -> Tensor:
    """(1 - alpha) hard + alpha soft."""
    by_labels = hard(setting, student, labels)
    return (1 - alpha) * by_labels + alpha * soft(setting, student, teacher, labels, temperature=temperature)


def hard_and_soft_needs(alpha: float) -> frozenset[Need]:
    """What `hard_and_soft` reads: a part without a weight does not count."""
    parts: tuple[tuple[Need, float], ...] = (("labels", 1 - alpha), ("teacher's logits", alpha))
    return frozenset(need for need, weight in parts if weight)
