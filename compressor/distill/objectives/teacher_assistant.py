"""Distillation through a teacher assistant, the loss of each hop.

    loss(x) = (1 - alpha) CE(y, softmax(z_s)) + alpha T^2 KL(softmax(z_t / T) || softmax(z_s / T))

Mirzadeh et al. 2020 (AAAI, arXiv 1902.03393); their code, like others, takes the mean over the classes in the place of
the sum. z_t are the logits of what the student was cut out of:

| student | z_t of |
| --- | --- |
| the assistant, at half of the way on a logarithmic scale | the teacher |
| cut out of the assistant | the assistant |
| of a lower limit, out of that of the limit above | the student of the limit above |
| cut once more, where its latency was missed | itself, as it was |
| cut out of a network that `--start` names | that network, which learnt from the teacher |

So every cut is made in two with this loss, however shallow. Text without labels, and changed copies, have the
teacher's answers as labels in every hop.
"""

from compressor.distill.objectives.base import Setting
from compressor.distill.objectives.vanilla_kd import VanillaKD


class TeacherAssistant(VanillaKD):
    """The labels and the softened distribution of what the student was cut out of, always in two cuts."""

    name = "teacher-assistant"
    source = "Mirzadeh et al. 2020, arXiv 1902.03393"
    by_assistant = True

    def __init__(self, setting: Setting, *, temperature: float = 5.0, alpha: float = 0.5) -> None:
        super().__init__(setting, temperature=temperature, alpha=alpha)
