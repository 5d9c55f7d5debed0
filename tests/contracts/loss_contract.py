"""What every distillation loss promises: inherit `LossContract` and give it one, and the same in numpy.

class TestMyLoss(LossContract):
    def loss(self, student: Tensor, teacher: Tensor) -> Tensor: ...
    def reference(self, student: Floats, teacher: Floats) -> Floats: ...  # float64 [rows]
"""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


def logits(rows: int = 13, classes: int = 4, scale: float = 3.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Of a student, with a gradient, and of a teacher."""
    found = np.random.default_rng(seed).normal(size=(2, rows, classes)).astype(np.float32) * scale
    return torch.from_numpy(found[0]).requires_grad_(), torch.from_numpy(found[1])


class LossContract:
    """Tests of any loss (student, teacher) -> sum over rows, both [rows, classes]."""

    def loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        raise NotImplementedError

    def reference(self, student: Floats, teacher: Floats) -> Floats:
        """Loss of every row, computed in another way."""
        raise NotImplementedError

    @pytest.mark.parametrize("classes", [2, 7])
    def test_it_is_the_sum_over_rows_of_the_formula(self, classes: int) -> None:
        student, teacher = logits(classes=classes)
        expected = self.reference(student.detach().double().numpy(), teacher.double().numpy())
        assert expected.shape == (13,)
        found = self.loss(student, teacher)
        assert found.shape == ()
        assert found.item() == pytest.approx(expected.sum(), rel=1e-5)
        assert expected.sum() > 1

    def test_a_student_that_is_the_teacher_loses_nothing(self) -> None:
        _, teacher = logits()
        student = teacher.clone().requires_grad_()
        found = self.loss(student, teacher)
        found.backward()
        assert found.item() == pytest.approx(0, abs=1e-5)
        assert student.grad.abs().max() < 1e-5

    def test_any_other_student_loses_something(self) -> None:
        for seed in range(20):
            student, teacher = logits(rows=1, seed=seed)
            assert self.loss(student, teacher).item() > 1e-3

    def test_only_the_student_gets_a_gradient(self) -> None:
        student, teacher = logits()
        teacher.requires_grad_()
        self.loss(student, teacher).backward()
        assert teacher.grad is None
        assert student.grad.abs().max() > 1e-3

    def test_large_logits_stay_finite(self) -> None:
        student, teacher = logits(scale=3e4)
        found = self.loss(student, teacher)
        found.backward()
        assert torch.isfinite(found)
        assert torch.isfinite(student.grad).all()

    def test_chunks_add_up(self) -> None:
        student, teacher = logits()
        parts = sum(self.loss(student[rows], teacher[rows]).item() for rows in (slice(0, 5), slice(5, 13)))
        assert parts == pytest.approx(self.loss(student, teacher).item(), rel=1e-5)

    def test_a_small_step_against_the_gradient_lowers_it(self) -> None:
        student, teacher = logits()
        before = self.loss(student, teacher)
        before.backward()
        with torch.no_grad():
            stepped = student - 0.01 * student.grad
        assert self.loss(stepped, teacher).item() < before.item()
