"""CKD keeps the contract of objectives."""

import numpy as np
import torch
from contracts.objective_contract import (
    FEWER_LAYERS,
    LENGTHS,
    Floats,
    Ints,
    Numbers,
    ObjectiveContract,
    random_batch,
    setting,
)


def combined_distance(student: Numbers, teacher: Numbers, buckets: list[list[int]]) -> Floats:
    """[rows], with projections as they begin: means."""
    total = np.zeros(len(student.logits))
    for layer, bucket in enumerate(buckets, 1):
        for row, ours in enumerate(student.hidden[layer]):
            mean = np.mean([teacher.hidden[k][row] for k in bucket], axis=0)
            total[row] += np.square(ours - mean).mean()
    return total


class TestCKDNoOverlap(ObjectiveContract):
    """The contract."""

    name = "ckd-no"
    matches_layers = True
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return combined_distance(student, teacher, [[1, 2], [3, 4]])

    def test_any_projection_of_vectors_side_by_side_can_be_learned(self) -> None:
        shapes = setting(FEWER_LAYERS, "text-classification")
        batch, objective = random_batch(shapes), self.made(shapes)
        generator = torch.Generator().manual_seed(3)
        for parameter in objective.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        expected = 0.0
        for layer, (weight, bucket) in enumerate(zip(objective.parameters(), ((1, 2), (3, 4)), strict=True), 1):
            for row, length in enumerate(LENGTHS):
                states = [batch.teacher.hidden[k][row, :length].numpy() for k in bucket]
                projected = np.concatenate(states, axis=1) @ weight.detach().numpy().T
                ours = batch.student.hidden[layer][row, :length].numpy()
                expected += np.square(ours - projected).mean()
        found = objective(batch.student, batch.teacher, batch.labels, 0.0).item()
        np.testing.assert_allclose(found, expected, rtol=1e-9)


class TestCKDPartialOverlap(ObjectiveContract):
    """The contract."""

    name = "ckd-po"
    matches_layers = True
    at_teacher = None

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return combined_distance(student, teacher, [[1, 2, 3], [2, 3, 4]])
