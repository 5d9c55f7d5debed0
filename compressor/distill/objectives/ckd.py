"""Combinatorial knowledge distillation: each layer of the student learns a projection of several of the teacher's.

    C^j = W_j [h_t^k for k in M(j)],   loss(x) = sum over j of MSE(h_s^j, C^j)

Wu et al. 2020 (EMNLP, arXiv 2010.03034, "Why skip if you can combine"); MSE is the mean over all tokens and the width,
[ ] puts vectors side by side, and W_j, of the student's width by that of all of them, is learned along with the
student. It begins as their mean, and then as the best one for the student as it is. The layers M(j) are

| name | M(j), 6 layers to 2 |
| --- | --- |
| ckd-no | 1-3, 4-6 (no overlap; "regular") |
| ckd-po | 1-4, 3-6 (partial overlap) |

Their example run has 0.7 of this, 0.2 of the softened distribution and 0.1 of the labels beside it.
"""

import torch
from torch import Tensor, nn

from compressor.distill.objectives.base import Setting
from compressor.distill.objectives.groups import OfGroups
from compressor.distill.objectives.layers import apart, overlapping
from compressor.distill.objectives.matching import Projection, flat, show, summed_over_rows
from compressor.encoder import Trace


class _Combined(OfGroups):
    """What both have in common."""

    source = "Wu et al. 2020, arXiv 2010.03034"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.projections = nn.ModuleList(
            Projection([setting.teacher.widths[k] for k in bucket], width)
            for bucket, width in zip(self._buckets, setting.student.widths[1:], strict=True)
        )

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        total = student.logits.new_zeros(())
        for layer, (bucket, combine) in enumerate(zip(self._buckets, self.projections, strict=True), 1):
            error = (student.hidden[layer] - combine(_side_by_side(teacher, bucket))).square().mean(-1)
            total = total + summed_over_rows(error, student.mask)
        return total

    def observe(self, student: Trace, teacher: Trace) -> None:
        """See `Objective`."""
        for layer, (bucket, combine) in enumerate(zip(self._buckets, self.projections, strict=True), 1):
            show(
                combine,
                flat(_side_by_side(teacher, bucket), teacher.mask),
                flat(student.hidden[layer], student.mask),
            )


def _side_by_side(teacher: Trace, layers: tuple[int, ...]) -> Tensor:
    """Hidden states of some layers, [batch, length, sum of their widths]."""
    return torch.cat([teacher.hidden[k] for k in layers], dim=-1)


class CKDNoOverlap(_Combined):
    """Hidden states as a learned combination of a group of layers, each layer in one."""

    name = "ckd-no"
    buckets = staticmethod(apart)


class CKDPartialOverlap(_Combined):
    """Hidden states as a learned combination of a group of layers, which overlap."""

    name = "ckd-po"
    buckets = staticmethod(overlapping)
