"""Annealing KD keeps the contract of objectives, and follows its schedule."""

import numpy as np
import pytest
from contracts.objective_contract import (
    FEWER_LAYERS,
    Floats,
    Ints,
    Numbers,
    ObjectiveContract,
    cross_entropy,
    random_batch,
    setting,
)

from compressor.distill.objectives.annealing_kd import AnnealingKD


class TestAnnealingKD(ObjectiveContract):
    """The contract."""

    name = "annealing-kd"
    matches_layers = False
    at_teacher = ({}, 0.69)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        if progress >= 0.7:
            return cross_entropy(student.logits, labels)
        found: Floats = np.square(student.logits - teacher.logits / 7).sum(-1)
        return found

    def test_a_regression_ends_with_its_values(self) -> None:
        shapes = setting(FEWER_LAYERS, "regression", scale=2.0)
        batch = random_batch(shapes)
        expected = np.square(batch.student.logits[:, 0].numpy() - batch.labels.numpy()).sum() / 2.0
        assert self.loss(shapes, batch, 0.8).item() == pytest.approx(expected, rel=1e-9)


def test_the_teacher_is_flattened_less_and_less() -> None:
    objective = AnnealingKD(setting(FEWER_LAYERS, "text-classification"), tau=4, following=0.8)
    found = [objective.flatness(progress) for progress in (0, 0.1999, 0.2001, 0.4001, 0.6001, 0.7999)]
    assert found == [0.25, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert objective.flatness(0.8) is None
    assert objective.flatness(np.nextafter(0.8, 0)) == 1.0


@pytest.mark.parametrize("tau", [1, 3, 7, 14])
@pytest.mark.parametrize("following", [0.3, 0.7, 0.9])
def test_it_is_settled_when_the_teacher_is_not_flattened_any_more(tau: float, following: float) -> None:
    objective = AnnealingKD(setting(FEWER_LAYERS, "text-classification"), tau=tau, following=following)
    assert objective.flatness(objective.settled) == 1.0
    assert tau == 1 or objective.flatness(objective.settled - 1e-6) < 1.0
