"""Annealing KD: the teacher's logits, at first flattened, then step by step as they are; at the end the labels.

    stage I:   loss(x) = || z_s - Phi(T) z_t ||^2,   Phi(T) = 1 - (T - 1) / tau,   T = tau, tau - 1, ... 1
    stage II:  loss(x) = CE(y, softmax(z_s)), of a regression (z_s - y)^2

Jafari et al. 2021 (EACL, arXiv 2104.07163). Every T has the same share of stage I; tau is 7 for small tasks
and 14 for others there, and stage I takes 14 of 20 epochs. The code of ComKD counts T upwards by epochs, scales by
T / tau, and mixes in the labels in stage I; this is the print. One learning rate falls over both stages.
"""

from typing import ClassVar

from torch import Tensor

from compressor.distill.objectives.base import EVERY_TASK, PART, Need, Objective, Range, Ranges, Setting
from compressor.distill.objectives.outputs import hard, squared
from compressor.encoder import Trace

ROUNDING = 1e-9  # of a share of the training that is where a temperature ends


class AnnealingKD(Objective):
    """The teacher's logits, less and less flattened, and then the labels."""

    name = "annealing-kd"
    source = "Jafari et al. 2021, arXiv 2104.07163"
    needs = frozenset[Need]({"labels", "teacher's logits"})
    tasks = EVERY_TASK
    ranges: ClassVar[Ranges] = {"tau": Range(1, whole=True), "following": PART}
    scheduled = True

    def __init__(self, setting: Setting, *, tau: float = 7, following: float = 0.7) -> None:
        super().__init__(setting)
        self.tau, self.following = tau, following
        self.settled = following * (1 - 1 / tau)

    def flatness(self, progress: float) -> float | None:
        """Phi(T) at a share of the training; None in stage II."""
        if progress >= self.following:
            return None
        temperature = max(1.0, self.tau - int(progress / self.following * self.tau + ROUNDING))
        return 1 - (temperature - 1) / self.tau

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        factor = self.flatness(progress)
        if factor is None:
            return hard(self.setting, student, labels)
        return squared(self.setting, student, teacher, labels, factor=factor)
