"""Distillation of a regression: the teacher's output in place of the value.

    loss(x) = (z_s(x) - z_t(x))^2

Least squares on the teacher's outputs (Ba and Caruana 2014, arXiv 1312.6184, eq. 1), summed over the rows. It has the
unit of the outputs squared; `FittingJob` divides it by the variance of all targets, so that a student that always
answers with the mean loses 1 per row, whatever the range of the scores is.
"""

from torch import Tensor


def output_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Sum of the rows' losses.

    Args:
        student: Outputs [rows, 1].
        teacher: Outputs [rows, 1]; gets no gradient.

    Returns:
        Scalar, 0 where the two agree.
    """
    return (student - teacher.detach()).square().sum()
