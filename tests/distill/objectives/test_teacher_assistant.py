"""The loss of a hop through a teacher assistant keeps the contract of objectives."""

from contracts.objective_contract import Floats, Ints, Numbers, ObjectiveContract, cross_entropy, divergence


class TestTeacherAssistant(ObjectiveContract):
    """The contract."""

    name = "teacher-assistant"
    matches_layers = False
    at_teacher = ({"alpha": 1.0}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        hard = cross_entropy(student.logits, labels)
        return 0.5 * hard + 0.5 * divergence(teacher.logits, student.logits, 5.0)

    def test_a_term_without_a_weight_reads_nothing(self) -> None:
        assert self.kind.needs_of({"temperature": 5.0, "alpha": 1.0}) == {"teacher's logits"}
        assert self.kind.needs_of({"temperature": 5.0, "alpha": 0.0}) == {"labels"}
