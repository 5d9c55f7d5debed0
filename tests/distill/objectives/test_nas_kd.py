"""NAS-KD's loss keeps the contract of objectives."""

import pytest
from contracts.objective_contract import (
    CLASSES,
    Floats,
    Ints,
    Numbers,
    ObjectiveContract,
    cross_entropy,
    divergence,
    random_batch,
    setting,
)
from distill.objectives.test_pkd import direction_distance

from compressor.encoder import Sizes


class TestNASKD(ObjectiveContract):
    """The contract."""

    name = "nas-kd"
    matches_layers = True
    at_teacher = ({"alpha": 1.0}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        hard, soft = cross_entropy(student.logits, labels), divergence(teacher.logits, student.logits, 10.0)
        return 0.5 * soft + 0.5 * hard + 0.1 * direction_distance(student, teacher, [(1, 2)])

    def test_a_student_of_one_layer_learns_from_the_outputs(self) -> None:
        shapes = setting(Sizes((6, 6), (3,), CLASSES), "text-classification")
        batch = random_batch(shapes)
        found, without = (
            self.made(shapes, beta=beta)(batch.student, batch.teacher, batch.labels, 0.0) for beta in (5.0, 0.0)
        )
        assert found.item() == pytest.approx(without.item(), rel=1e-12)
        assert found.item() > 0.1
