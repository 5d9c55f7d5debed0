"""Logit distillation keeps the contract of losses."""

import numpy as np
import pytest
import torch
from contracts.loss_contract import Floats, LossContract, logits
from scipy.special import rel_entr, softmax
from torch import Tensor

from compressor.distill import logit_loss


class TestLogitLoss(LossContract):
    """The contract, with scipy as the reference."""

    def loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        return logit_loss(student, teacher)

    def reference(self, student: Floats, teacher: Floats) -> Floats:
        found: Floats = 4 * rel_entr(softmax(teacher / 2, axis=-1), softmax(student / 2, axis=-1)).sum(-1)
        return found


def test_a_constant_added_to_a_row_of_the_teacher_changes_nothing() -> None:
    student, teacher = logits()
    shifted = teacher + torch.linspace(-5, 5, len(teacher))[:, None]
    assert logit_loss(student, shifted).item() == pytest.approx(logit_loss(student, teacher).item(), rel=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_the_temperature_is_a_parameter(temperature: float) -> None:
    student, teacher = logits()
    p = softmax(teacher.double().numpy() / temperature, axis=-1)
    q = softmax(student.detach().double().numpy() / temperature, axis=-1)
    found = logit_loss(student, teacher, temperature=temperature).item()
    assert found == pytest.approx(temperature**2 * rel_entr(p, q).sum(), rel=1e-5)


def test_at_a_high_temperature_it_is_the_squared_distance_of_centred_logits() -> None:
    # Hinton, Vinyals, Dean 2015, section 2.1: gradient -> (z_s - z_t) / classes for zero-mean logits.
    student, teacher = logits(classes=3)
    logit_loss(student.double(), teacher.double(), temperature=1e3).backward()
    with torch.no_grad():
        difference = student - teacher
        expected = (difference - difference.mean(-1, keepdim=True)) / 3
    np.testing.assert_allclose(student.grad.numpy(), expected.numpy(), rtol=0, atol=0.02)
