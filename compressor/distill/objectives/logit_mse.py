"""Least squares on the logits.

    loss(x) = || z_s - z_t ||^2

Bucila, Caruana, Niculescu-Mizil 2006 ("Model compression"); Ba and Caruana 2014 (arXiv 1312.6184), eq. 1; the loss of
the distilled BiLSTM (Tang et al. 2019, arXiv 1903.12136, section 3.2). Summed over the classes; of a regression in
units of the targets' variance.
"""

from torch import Tensor

from compressor.distill.objectives.base import EVERY_TASK, Need, Objective
from compressor.distill.objectives.outputs import squared
from compressor.encoder import Trace


class LogitMSE(Objective):
    """Squared distance of the logits; no softmax, no temperature, no labels."""

    name = "logit-mse"
    source = "Bucila et al. 2006; Ba and Caruana 2014, arXiv 1312.6184, eq. 1"
    needs = frozenset[Need]({"teacher's logits"})
    tasks = EVERY_TASK

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return squared(self.setting, student, teacher, labels)
