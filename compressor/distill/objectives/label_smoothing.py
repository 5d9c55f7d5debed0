"""Label smoothing: no teacher, but less certain labels. The yardstick of every distillation.

    q(k) = (1 - epsilon) [k = y] + epsilon / K,   loss(x) = -sum_k q(k) log softmax(z_s)_k

Szegedy et al. 2016 (arXiv 1512.00567), section 7, over K classes. Distillation is the same with the teacher's
distribution in the place of 1 / K (Yuan et al. 2020, arXiv 1909.11723). Their code spreads epsilon over the K - 1
wrong classes; this is the print. Changed copies have no labels but the teacher's answers, so none are trained on,
unless a loss beside it reads the teacher; text without labels has its answers.
"""

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from compressor.distill.objectives.base import Need, Objective, Range, Ranges, Setting
from compressor.encoder import Trace


class LabelSmoothing(Objective):
    """The labels, a little less certain; no teacher."""

    name = "label-smoothing"
    source = "Szegedy et al. 2016, arXiv 1512.00567, section 7"
    needs = frozenset[Need]({"labels"})
    ranges: ClassVar[Ranges] = {"epsilon": Range(0, 1, below=True)}

    def __init__(self, setting: Setting, *, epsilon: float = 0.1) -> None:
        super().__init__(setting)
        self.epsilon = epsilon

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        found = F.cross_entropy(student.outputs, labels, reduction="sum", label_smoothing=self.epsilon)
        return found / self.setting.scale
