"""Logit distillation.

    loss(x) = T^2 KL(softmax(z_t / T) || softmax(z_s / T))

Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2, without the hard labels; summed over the classes and averaged
over the rows ("batchmean"), so that its gradient does not shrink with the number of classes. T = 2 as in CoFi. It is
what cuts are judged by too (`score/divergence.py`).
"""

from torch import Tensor

from compressor.score.divergence import TEMPERATURE, tempered_divergence


def logit_loss(student: Tensor, teacher: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Sum of the rows' losses.

    Args:
        student: Logits [rows, classes].
        teacher: Logits [rows, classes]; gets no gradient.
        temperature: T.

    Returns:
        Scalar, 0 where the two agree up to a constant per row.
    """
    return tempered_divergence(teacher.detach(), student, temperature=temperature)
