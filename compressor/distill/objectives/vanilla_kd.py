"""Vanilla knowledge distillation, "regular KD".

    loss(x) = (1 - alpha) CE(y, softmax(z_s)) + alpha T^2 KL(softmax(z_t / T) || softmax(z_s / T))

Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2, with the labels. What won for students of BERT was T of 5, 10
or 20 and alpha of 0.2, 0.5 or 0.7 (result files of PKD's code). Tables of ALP-KD and CKD call it RKD.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from compressor.distill.objectives.base import POSITIVE, SHARE, Need, Objective, Ranges, Setting
from compressor.distill.objectives.outputs import hard_and_soft, hard_and_soft_needs
from compressor.encoder import Trace


class VanillaKD(Objective):
    """The labels and the teacher's softened distribution."""

    name = "vanilla-kd"
    source = "Hinton et al. 2015, arXiv 1503.02531, section 2"
    needs = frozenset[Need]({"labels", "teacher's logits"})
    ranges: ClassVar[Ranges] = {"temperature": POSITIVE, "alpha": SHARE}

    def __init__(self, setting: Setting, *, temperature: float = 5.0, alpha: float = 0.7) -> None:
        super().__init__(setting)
        self.temperature, self.alpha = temperature, alpha

    @classmethod
    def needs_of(cls, parameters: Mapping[str, float]) -> frozenset[Need]:
        """See `Objective`: a term without a weight reads nothing."""
        return hard_and_soft_needs(parameters["alpha"])

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return hard_and_soft(self.setting, student, teacher, labels, temperature=self.temperature, alpha=self.alpha)
