"""ALP-KD: each layer of the student learns a mixture of the teacher's, weighted by attention.

    a_jk = softmax over k in A(j) of (h_s^j . h_t^k),   C^j = sum over k of a_jk h_t^k
    loss(x) = sum over j of MSE(h_s^j, C^j)

Passban et al. 2021 (AAAI, arXiv 2012.14022); MSE is the mean over the width. The layers A(j) of the teacher are

| name | A(j), 12 layers to 4 |
| --- | --- |
| alp-kd | all; the student may be the deeper one |
| alp-kd-no | 1-3, 4-6, 7-9, 10-12 (no overlap) |
| alp-kd-po | 1-4, 3-7, 6-10, 9-12 (partial overlap) |

The products are not divided by the root of the width, as printed. The paper has students of the teacher's width; one
of another width is projected to it first, which begins with what is best for the layer as far up in the teacher.
Beside this the paper has CE and KD: 0.1 and 0.2 here, to 0.7 of this.
"""

import torch
from torch import Tensor, nn

from compressor.distill.objectives.base import Setting
from compressor.distill.objectives.groups import OfGroups
from compressor.distill.objectives.layers import apart, everything, overlapping, uniform
from compressor.distill.objectives.matching import flat, show, summed_over_rows, vectors, widened
from compressor.encoder import Trace
from compressor.errors import InputError


class _Attended(OfGroups):
    """What all three have in common."""

    source = "Passban et al. 2021, arXiv 2012.14022"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        widths = setting.teacher.widths
        if len(set(widths[1:])) != 1:
            raise InputError(
                f"--distill {self.name} mixes the teacher's layers: expected all of one width, found {widths}"
            )
        self.projections = nn.ModuleList(widened(width, widths[1]) for width in setting.student.widths[1:])

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        per_token, total = self.setting.per_token, student.logits.new_zeros(())
        for layer, (bucket, projected) in enumerate(zip(self._buckets, self.projections, strict=True), 1):
            h_s = projected(vectors(student, layer, per_token=per_token))
            h_t = torch.stack([vectors(teacher, k, per_token=per_token) for k in bucket])
            mixed = ((h_s * h_t).sum(-1, keepdim=True).softmax(0) * h_t).sum(0)
            total = total + summed_over_rows((h_s - mixed).square().mean(-1), student.mask)
        return total

    def observe(self, student: Trace, teacher: Trace) -> None:
        """See `Objective`."""
        per_token = self.setting.per_token
        matched = uniform(len(self.projections), self.setting.teacher.layers)
        for layer, projected in enumerate(self.projections, 1):
            target = max(1, matched[layer])  # a deeper student's first layers are nearest to the embeddings
            show(
                projected,
                flat(vectors(student, layer, per_token=per_token), student.mask),
                flat(vectors(teacher, target, per_token=per_token), teacher.mask),
            )


class ALPKD(_Attended):
    """Hidden states as an attention over all layers of the teacher."""

    name = "alp-kd"
    matches_layers = False
    buckets = staticmethod(everything)


class ALPKDNoOverlap(_Attended):
    """Hidden states as an attention over a group of layers, each layer in one."""

    name = "alp-kd-no"
    buckets = staticmethod(apart)


class ALPKDPartialOverlap(_Attended):
    """Hidden states as an attention over a group of layers, which overlap."""

    name = "alp-kd-po"
    buckets = staticmethod(overlapping)
