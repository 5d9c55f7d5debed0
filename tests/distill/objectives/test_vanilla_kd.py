"""Vanilla KD keeps the contract of objectives; with alpha 1 and T = 2 it is the default loss."""

import pytest
from contracts.objective_contract import (
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

from compressor.distill import logit_loss


class TestVanillaKD(ObjectiveContract):
    """The contract."""

    name = "vanilla-kd"
    matches_layers = False
    at_teacher = ({"alpha": 1.0}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        hard = cross_entropy(student.logits, labels)
        return 0.3 * hard + 0.7 * divergence(teacher.logits, student.logits, 5.0)

    def test_without_the_labels_it_is_the_default_loss(self) -> None:
        shapes = setting(FEWER_LAYERS, "text-classification")
        batch = random_batch(shapes)
        found = self.made(shapes, temperature=2.0, alpha=1.0)(batch.student, batch.teacher, batch.labels, 0.0)
        assert found.item() == pytest.approx(logit_loss(batch.student.logits, batch.teacher.logits).item(), rel=1e-12)
        assert self.kind.needs_of({"temperature": 2.0, "alpha": 1.0}) == {"teacher's logits"}
        assert self.kind.needs_of({"temperature": 2.0, "alpha": 0.0}) == {"labels"}

    def test_a_per_token_model_sums_its_labelled_tokens_over_the_scale(self) -> None:
        shapes = setting(FEWER_LAYERS, "token-classification", scale=2.5)
        batch = random_batch(shapes)
        ours, theirs = (trace.outputs.numpy() for trace in (batch.student, batch.teacher))
        labels = batch.labels.numpy()
        counted = labels >= 0
        hard = cross_entropy(ours[counted], labels[counted]).sum()
        expected = (0.3 * hard + 0.7 * divergence(theirs[counted], ours[counted], 5.0).sum()) / 2.5
        assert self.loss(shapes, batch, 0.0).item() == pytest.approx(expected, rel=1e-9)
