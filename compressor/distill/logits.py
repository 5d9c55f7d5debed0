"""Logit distillation.

    loss(x) = T^2 KL(softmax(z_t / T) || softmax(z_s / T))

Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2, without the hard labels; summed over the classes and averaged
over the rows ("batchmean"), so that its gradient does not shrink with the number of classes. T = 2 as in CoFi.
"""

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

TEMPERATURE = 2.0


def logit_loss(student: Tensor, teacher: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Sum of the rows' losses.

    Args:
        student: Logits [rows, classes].
        teacher: Logits [rows, classes]; gets no gradient.
        temperature: T.

    Returns:
        Scalar, 0 where the two agree up to a constant per row.
    """
    p = (teacher.detach() / temperature).log_softmax(-1)
    q = (student / temperature).log_softmax(-1)
    return temperature**2 * F.kl_div(q, p, reduction="sum", log_target=True)
