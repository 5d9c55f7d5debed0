"""NAS-KD: soft labels, hard labels and the directions of the hidden states.

    loss(x) = alpha L_ss + (1 - alpha) L_sh + beta L_ii
    L_ss = T^2 KL(softmax(z_t / T) || softmax(z_s / T)),   L_sh = CE(y, softmax(z_s))
    L_ii = sum over j < M_s of || h_s^j / ||h_s^j|| - h_t^k / ||h_t^k|| ||^2,   k = j M_t / M_s

Zhang et al. 2020 (ICPR, poster, "Automatic student network search for knowledge distillation"), for M_s and M_t
layers. The poster prints L_ss as -sum of p_t log(p_s / t), where t can only be meant to divide the logits: a
temperature outside of the softmax would add a constant. A cross entropy and a divergence have the same gradient; T^2
keeps its size. It also prints the square of the norms in L_ii, which PKD, where the term comes from, does not have:
see `pkd` for the size of beta. A student of one layer has no L_ii; with beta 0 there is none either, and the student
may be deeper than its teacher.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from compressor.distill.objectives.base import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Need,
    Objective,
    Ranges,
    Setting,
    check_depth,
)
from compressor.distill.objectives.outputs import hard_and_soft, hard_and_soft_needs
from compressor.distill.objectives.pkd import DirectionDistance, skipping
from compressor.encoder import Trace


class NASKD(Objective):
    """The labels, the teacher's softened distribution and directions of hidden states."""

    name = "nas-kd"
    source = "Zhang et al. 2020, ICPR, poster"
    needs = frozenset[Need]({"labels", "teacher's logits", "hidden states"})
    ranges: ClassVar[Ranges] = {"temperature": POSITIVE, "alpha": SHARE, "beta": NOT_NEGATIVE}
    matches_layers = True

    def __init__(self, setting: Setting, *, temperature: float = 10.0, alpha: float = 0.5, beta: float = 0.1) -> None:
        super().__init__(setting)
        self.temperature, self.alpha, self.beta = temperature, alpha, beta
        self.distance = self._between(setting) if beta else None

    def _between(self, setting: Setting) -> DirectionDistance:
        """L_ii."""
        check_depth(self.name, setting)
        return DirectionDistance(setting, skipping(setting.student.layers, setting.teacher.layers))

    @classmethod
    def needs_of(cls, parameters: Mapping[str, float]) -> frozenset[Need]:
        """See `Objective`: a term without a weight reads nothing."""
        inside: frozenset[Need] = frozenset({"hidden states"}) if parameters["beta"] else frozenset()
        return hard_and_soft_needs(parameters["alpha"]) | inside

    @classmethod
    def in_order(cls, parameters: Mapping[str, float]) -> bool:
        """See `Objective`: only L_ii matches layers."""
        return parameters["beta"] > 0

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        outputs = hard_and_soft(self.setting, student, teacher, labels, temperature=self.temperature, alpha=self.alpha)
        if self.distance is None:
            return outputs
        between: Tensor = self.distance(student, teacher)
        return outputs + self.beta * between

    def observe(self, student: Trace, teacher: Trace) -> None:
        """See `Objective`."""
        if self.distance is not None:
            self.distance.observe(student, teacher)
