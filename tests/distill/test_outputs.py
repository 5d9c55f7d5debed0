"""Distillation of a regression keeps the contract of losses, and every kind of task has a loss."""

from typing import get_args

import numpy as np
from contracts.loss_contract import Floats, LossContract
from torch import Tensor

from compressor.distill import LOSSES, distillation_loss, logit_loss, output_loss
from compressor.records.task import TaskKind


class TestOutputLoss(LossContract):
    """The contract, with numpy as the reference."""

    def loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        return output_loss(student, teacher)

    def reference(self, student: Floats, teacher: Floats) -> Floats:
        found: Floats = np.square(student - teacher).sum(-1)
        return found


def test_every_kind_of_task_has_its_loss() -> None:
    assert set(LOSSES) == set(get_args(TaskKind))
    assert distillation_loss("regression") is output_loss
    assert distillation_loss("text-classification") is distillation_loss("token-classification") is logit_loss
