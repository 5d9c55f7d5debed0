"""Teacher-free distillation with a virtual teacher that regularises (Tf-KD_reg): it is right, and nearly certain.

    p(k) = c where k = y, else (1 - c) / (K - 1)
    loss(x) = (1 - alpha) CE(y, softmax(z_s)) + alpha T^2 KL(softmax(log p / T) || softmax(z_s / T))

Yuan et al. 2020 (CVPR, arXiv 1909.11723), with c = 0.99 and T = 20. The print says that both distributions are
softened by T, as here; the code softens the virtual teacher's probabilities in the place of their logarithms, leaves
the student's as they are, and has a free factor where T^2 is here, which has the loss of any other teacher. Changed
copies have no labels: the teacher's answers stand in for them.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor

from compressor.distill.logits import logit_loss
from compressor.distill.objectives.base import PART, POSITIVE, SHARE, Need, Objective, Ranges, Setting
from compressor.distill.objectives.outputs import hard
from compressor.encoder import Trace
from compressor.tasks.targets import IGNORED


class TeacherFree(Objective):
    """The labels and a virtual teacher that is right and nearly certain; no real one."""

    name = "teacher-free"
    source = "Yuan et al. 2020, arXiv 1909.11723, Tf-KD_reg"
    needs = frozenset[Need]({"labels"})
    ranges: ClassVar[Ranges] = {"temperature": POSITIVE, "alpha": SHARE, "certainty": PART}

    def __init__(
        self, setting: Setting, *, temperature: float = 20.0, alpha: float = 0.9, certainty: float = 0.99
    ) -> None:
        super().__init__(setting)
        self.temperature, self.alpha, self.certainty = temperature, alpha, certainty

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        counted = labels != IGNORED
        outputs = student.outputs[counted]
        soft = logit_loss(outputs, self._virtual(outputs, labels[counted]), temperature=self.temperature)
        return (1 - self.alpha) * hard(self.setting, student, labels) + self.alpha * soft / self.setting.scale

    def _virtual(self, like: Tensor, labels: Tensor) -> Tensor:
        """The logarithm of p, [rows, classes]."""
        wrong = math.log((1 - self.certainty) / max(1, like.shape[1] - 1))
        right = torch.full((len(labels), 1), math.log(self.certainty), dtype=like.dtype, device=like.device)
        return torch.full_like(like, wrong, requires_grad=False).scatter(1, labels[:, None], right)
