"""Teacher-free distillation keeps the contract of objectives."""

import numpy as np
import pytest
import torch
from contracts.objective_contract import (
    CLASSES,
    FEWER_LAYERS,
    Floats,
    Ints,
    Numbers,
    ObjectiveContract,
    cross_entropy,
    divergence,
    random_batch,
    setting,
)

from compressor.encoder import Trace
from compressor.errors import InputError


def virtual(labels: Ints, certainty: float = 0.99) -> Floats:
    """Probabilities of the virtual teacher, [rows, classes]."""
    p = np.full((len(labels), CLASSES), (1 - certainty) / (CLASSES - 1))
    p[np.arange(len(labels)), labels] = certainty
    return p


class TestTeacherFree(ObjectiveContract):
    """The contract."""

    name = "teacher-free"
    matches_layers = False
    at_teacher = None

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        hard = cross_entropy(student.logits, labels)
        return 0.1 * hard + 0.9 * divergence(np.log(virtual(labels)), student.logits, 20.0)

    def test_a_student_that_is_the_virtual_teacher_loses_nothing_to_it(self) -> None:
        shapes = setting(FEWER_LAYERS, "text-classification")
        batch = random_batch(shapes)
        logits = torch.from_numpy(np.log(virtual(batch.labels.numpy(), 0.8)) + 3)
        student = Trace(logits, batch.student.mask)
        found = self.made(shapes, alpha=1.0, certainty=0.8)(student, batch.teacher, batch.labels, 0.0)
        assert found.item() == pytest.approx(0, abs=1e-9)

    @pytest.mark.parametrize("certainty", [0.2, 1 / CLASSES])
    def test_a_virtual_teacher_that_is_not_right_is_refused(self, certainty: float) -> None:
        with pytest.raises(InputError, match=r"certainty: expected more than one over the 3 classes.* found 0\.[23]"):
            self.made(setting(FEWER_LAYERS, "text-classification"), certainty=certainty)
