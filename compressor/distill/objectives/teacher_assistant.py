"""Distillation through a teacher assistant, the loss of each hop.

    loss(x) = (1 - alpha) CE(y, softmax(z_s)) + alpha T^2 KL(softmax(z_t / T) || softmax(z_s / T))

Mirzadeh et al. 2020 (AAAI, arXiv 1902.03393); their code, like others, takes the mean over the classes in the place of
the sum. The assistant itself, a model between teacher and student, is a stage of the pipeline, not of the loss: deep
cuts are made in two, the second out of a student that was trained for a while (docs/design.md, "Deep cuts"). That
student inherits, and both learn from the teacher, whose answers are better than an assistant's.
"""

from typing import ClassVar

from torch import Tensor

from compressor.distill.objectives.base import POSITIVE, SHARE, Need, Objective, Ranges, Setting
from compressor.distill.objectives.outputs import hard_and_soft
from compressor.encoder import Trace


class TeacherAssistant(Objective):
    """The labels and the softened distribution, in every hop of a cut in two."""

    name = "teacher-assistant"
    source = "Mirzadeh et al. 2020, arXiv 1902.03393"
    needs = frozenset[Need]({"labels", "teacher's logits"})
    ranges: ClassVar[Ranges] = {"temperature": POSITIVE, "alpha": SHARE}

    def __init__(self, setting: Setting, *, temperature: float = 5.0, alpha: float = 0.5) -> None:
        super().__init__(setting)
        self.temperature, self.alpha = temperature, alpha

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return hard_and_soft(self.setting, student, teacher, labels, temperature=self.temperature, alpha=self.alpha)
