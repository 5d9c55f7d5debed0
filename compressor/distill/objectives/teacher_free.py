"""Teacher-free distillation with a virtual teacher that regularises (Tf-KD_reg): it is right, and nearly certain.

    p(k) = c where k = y, else (1 - c) / (K - 1)
    loss(x) = (1 - alpha) CE(y, softmax(z_s)) + alpha T^2 KL(softmax(log p / T) || softmax(z_s / T))

Yuan et al. 2020 (CVPR, arXiv 1909.11723), with c = 0.99 and T = 20. The print says that both distributions are
softened by T, as here; the code softens the virtual teacher's probabilities in the place of their logarithms, leaves
the student's as they are, and has a free factor where T^2 is here, which has the loss of any other teacher. Changed
copies have no labels but the teacher's answers, so none are trained on, unless a loss beside it reads the teacher;
text without labels has its answers.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor

from compressor.distill.logits import logit_loss
from compressor.distill.objectives.base import PART, POSITIVE, SHARE, Need, Objective, Ranges, Setting
from compressor.distill.objectives.outputs import counted, hard
from compressor.encoder import Trace
from compressor.errors import InputError


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
        classes = setting.student.classes
        if certainty * classes <= 1:
            raise InputError(
                f"--distill {self.name}: certainty: expected more than one over the {classes} classes, so that the "
                f"virtual teacher prefers the right one, found {certainty:g}; raise it"
            )
        self.temperature, self.alpha, self.certainty = temperature, alpha, certainty

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        outputs, known = (counted(self.setting, values, labels) for values in (student.outputs, labels))
        soft = logit_loss(outputs, self._virtual(outputs, known), temperature=self.temperature) / self.setting.scale
        return (1 - self.alpha) * hard(self.setting, student, labels) + self.alpha * soft

    def _virtual(self, like: Tensor, labels: Tensor) -> Tensor:
        """The logarithm of p, [rows, classes]."""
        wrong = math.log((1 - self.certainty) / (like.shape[1] - 1))
        right = torch.full((len(labels), 1), math.log(self.certainty), dtype=like.dtype, device=like.device)
        return torch.full_like(like, wrong, requires_grad=False).scatter(1, labels[:, None], right)
