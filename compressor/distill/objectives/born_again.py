"""Born-again networks: the labels and the distribution of the generation before, at temperature 1.

    loss(x) = CE(y, softmax(z_s)) + CE(softmax(z_t), softmax(z_s))

Furlanello et al. 2018 (ICML, arXiv 1805.04770). There the student has its teacher's shape, and
is the teacher of the next generation, and the last ones may answer together; nothing in the loss needs that. The
second term is a cross entropy, so a student that is its teacher still loses that distribution's entropy.
"""

from torch import Tensor

from compressor.distill.objectives.base import Need, Objective
from compressor.distill.objectives.outputs import cross, hard
from compressor.encoder import Trace


class BornAgain(Objective):
    """The labels and the teacher's distribution as it is, with equal weights."""

    name = "born-again"
    source = "Furlanello et al. 2018, arXiv 1805.04770"
    needs = frozenset[Need]({"labels", "teacher's logits"})

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return hard(self.setting, student, labels) + cross(self.setting, student, teacher, labels)
