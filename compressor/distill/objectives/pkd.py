"""Patient knowledge distillation: the directions of the hidden states below the last layer.

    loss(x) = sum over j < M of || h_s^j / ||h_s^j|| - h_t^I(j) / ||h_t^I(j)|| ||^2

Sun et al. 2019 (EMNLP, arXiv 1908.09355), section 3.2, for a student of M layers. The last layer is left out, as the
logits train it; beside this the paper has vanilla KD. Of a student of 6 layers and a teacher of 12, I is

| name | I(1) .. I(5) |
| --- | --- |
| pkd-skip | 2, 4, 6, 8, 10 |
| pkd-last | 7, 8, 9, 10, 11 |

The poster of NAS-KD prints the square of the norm below the line; the code of PKD divides by the norm, as here. That
code takes the mean over the layers and the width of the states where the paper has the sum: its weight b is a weight
of b / (layers x width) here, so that its 10 to 500 are 0.003 to 0.13 for 5 layers of 768. A student of another width
is projected to its teacher's first (not in the paper). A student of one layer has none below its last, and loses 0.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.distill.objectives.base import EVERY_TASK, Need, Objective, Setting, check_depth
from compressor.distill.objectives.layers import last, uniform
from compressor.distill.objectives.matching import flat, show, summed_over_rows, vectors, widened
from compressor.encoder import Trace
from compressor.records.distillation import LossTerm


class DirectionDistance(nn.Module):
    """Squared distance of hidden states of length 1, summed over pairs of layers and over rows.

    Args:
        setting: What it is made for.
        pairs: (layer of the student, layer of the teacher).
    """

    def __init__(self, setting: Setting, pairs: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._pairs, self._per_token = tuple(pairs), setting.per_token
        self.projections = nn.ModuleList(
            widened(setting.student.widths[ours], setting.teacher.widths[theirs]) for ours, theirs in pairs
        )

    def forward(self, student: Trace, teacher: Trace) -> Tensor:
        """A scalar; 0 without pairs."""
        total = student.logits.new_zeros(())
        for (ours, theirs), projected in zip(self._pairs, self.projections, strict=True):
            h_s = F.normalize(projected(vectors(student, ours, per_token=self._per_token)), dim=-1)
            h_t = F.normalize(vectors(teacher, theirs, per_token=self._per_token), dim=-1)
            total = total + summed_over_rows((h_s - h_t).square().sum(-1), student.mask)
        return total

    def observe(self, student: Trace, teacher: Trace) -> None:
        """See `Objective`."""
        for (ours, theirs), projected in zip(self._pairs, self.projections, strict=True):
            show(
                projected,
                flat(vectors(student, ours, per_token=self._per_token), student.mask),
                flat(vectors(teacher, theirs, per_token=self._per_token), teacher.mask),
            )


def skipping(student: int, teacher: int) -> list[tuple[int, int]]:
    """Pairs of PKD-skip, also NAS-KD's: every (teacher / student)-th layer below the last."""
    return list(enumerate(uniform(student, teacher)))[1:-1]


class _Patient(Objective):
    """What both have in common."""

    source = "Sun et al. 2019, arXiv 1908.09355, section 3.2"
    needs = frozenset[Need]({"hidden states"})
    tasks = EVERY_TASK
    answers = False
    matches_layers = True
    weight = 0.1
    beside = LossTerm("vanilla-kd", 1.0, (("alpha", 0.5), ("temperature", 10.0)))

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        check_depth(self.name, setting)
        self.distance = DirectionDistance(setting, self.pairs(setting.student.layers, setting.teacher.layers))

    @staticmethod
    @abstractmethod
    def pairs(student: int, teacher: int) -> list[tuple[int, int]]:
        """(layer of the student, layer of the teacher) by their numbers of layers."""

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        found: Tensor = self.distance(student, teacher)
        return found

    def observe(self, student: Trace, teacher: Trace) -> None:
        """See `Objective`."""
        self.distance.observe(student, teacher)


class PKDSkip(_Patient):
    """Directions of hidden states, of every second or third layer of the teacher."""

    name = "pkd-skip"

    @staticmethod
    def pairs(student: int, teacher: int) -> list[tuple[int, int]]:
        """See `_Patient`."""
        return skipping(student, teacher)


class PKDLast(_Patient):
    """Directions of hidden states, of the last layers of the teacher."""

    name = "pkd-last"

    @staticmethod
    def pairs(student: int, teacher: int) -> list[tuple[int, int]]:
        """See `_Patient`."""
        return list(enumerate(last(student, teacher), 1))[:-1]
