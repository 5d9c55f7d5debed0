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

from compressor.encoder import Sizes, Trace


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

    def test_without_hidden_states_the_student_may_be_deeper(self) -> None:
        deep = setting(Sizes((6,) * 6, (3,) * 5, CLASSES), "text-classification")
        batch = random_batch(deep)
        student, teacher = (Trace(trace.logits, trace.mask) for trace in (batch.student, batch.teacher))
        objective = self.made(deep, beta=0.0)
        assert objective(student, teacher, batch.labels, 0.0).item() > 0.1
        assert not list(objective.parameters())

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"alpha": 0.5, "beta": 0.1}, {"labels", "teacher's logits", "hidden states"}),
            ({"alpha": 0.5, "beta": 0.0}, {"labels", "teacher's logits"}),
            ({"alpha": 1.0, "beta": 0.1}, {"teacher's logits", "hidden states"}),
            ({"alpha": 0.0, "beta": 0.0}, {"labels"}),
        ],
    )
    def test_a_term_without_a_weight_reads_nothing(self, parameters: dict[str, float], expected: set[str]) -> None:
        assert self.kind.needs_of({"temperature": 10.0, **parameters}) == expected
        assert self.kind.in_order({"temperature": 10.0, **parameters}) == ("hidden states" in expected)
