"""TinyBERT's losses keep the contract of objectives; their parts, phases, and what cannot be compared."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from contracts.objective_contract import (
    CLASSES,
    FEWER_LAYERS,
    NARROW,
    Floats,
    Ints,
    Numbers,
    ObjectiveContract,
    in_numpy,
    log_softmax,
    random_batch,
    setting,
)

from compressor.distill.objectives.tinybert import TinyBERT
from compressor.encoder import Sizes
from compressor.errors import InputError


def mean_squares(ours: Sequence[Floats], theirs: Sequence[Floats]) -> Floats:
    """[rows]: mean over all that a row has."""
    return np.array([np.square(a - b).mean() for a, b in zip(ours, theirs, strict=True)])


class TestTinyBERT(ObjectiveContract):
    """The contract."""

    name = "tinybert"
    matches_layers = True
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        if progress >= 0.75:
            found: Floats = -(np.exp(log_softmax(teacher.logits)) * log_softmax(student.logits)).sum(-1)
            return found
        total = mean_squares(student.hidden[0], teacher.hidden[0])
        for ours, theirs in ((1, 2), (2, 4)):
            total = total + mean_squares(student.hidden[ours], teacher.hidden[theirs])
            total = total + mean_squares(student.scores[ours - 1], teacher.scores[theirs - 1])
        return total

    def test_the_second_phase_is_least_at_the_teacher(self) -> None:
        shapes = setting(FEWER_LAYERS, "text-classification")
        batch = random_batch(shapes)
        logits = batch.teacher.logits.clone().requires_grad_()
        student = type(batch.student)(logits, batch.student.mask)
        self.made(shapes)(student, batch.teacher, batch.labels, 0.8).backward()
        assert logits.grad.abs().max() < 1e-9

    @pytest.mark.parametrize("part", ["embedding", "attention", "hidden"])
    def test_its_parts_have_weights(self, part: str) -> None:
        shapes = setting(FEWER_LAYERS, "text-classification")
        batch = random_batch(shapes)
        alone = {"embedding": 0.0, "attention": 0.0, "hidden": 0.0, part: 3.0}
        found = self.made(shapes, **alone)(batch.student, batch.teacher, batch.labels, 0.0).item()
        student, teacher = in_numpy(batch.student), in_numpy(batch.teacher)
        expected = {
            "embedding": mean_squares(student.hidden[0], teacher.hidden[0]),
            "hidden": sum(mean_squares(student.hidden[m], teacher.hidden[2 * m]) for m in (1, 2)),
            "attention": sum(mean_squares(student.scores[m - 1], teacher.scores[2 * m - 1]) for m in (1, 2)),
        }
        assert found == pytest.approx(3 * expected[part].sum(), rel=1e-9)


def test_layers_of_one_width_share_a_projection_and_the_embeddings_have_their_own() -> None:
    objective = TinyBERT(setting(NARROW, "text-classification"))
    shapes = {name: tuple(parameter.shape) for name, parameter in objective.named_parameters()}
    assert shapes == {
        "embedding_projection.weight": (6, 4),
        "hidden_projections.4-6.weight": (6, 4),
        "head_mixtures.1.weight": (3, 2),
        "head_mixtures.3.weight": (3, 2),
    }


def test_other_heads_are_compared_through_a_mixture() -> None:
    shapes = setting(Sizes((6,) * 2, (2,), CLASSES), "text-classification", teacher=Sizes((6,) * 2, (3,), CLASSES))
    batch = random_batch(shapes)
    objective = TinyBERT(shapes, embedding=0, hidden=0).double()
    mixture = torch.tensor([[1.0, 2.0], [0.0, 1.0], [-1.0, 0.5]], dtype=torch.float64)
    objective.head_mixtures["1"].weight.data = mixture
    student, teacher = in_numpy(batch.student), in_numpy(batch.teacher)
    mixed = [np.einsum("ts,sqk->tqk", mixture.numpy(), scores) for scores in student.scores[0]]
    found = objective(batch.student, batch.teacher, batch.labels, 0.0).item()
    assert found == pytest.approx(mean_squares(mixed, teacher.scores[0]).sum(), rel=1e-9)


@pytest.mark.parametrize(
    ("student", "teacher"),
    [((0, 0), (3,) * 4), ((2, 0), (3, 0, 3, 3)), ((2, 2), (3, 0, 3, 0))],
    ids=["none in the student", "never in both", "none in the matched layers"],
)
def test_a_student_without_attention_to_compare_has_to_say_so(
    student: tuple[int, ...], teacher: tuple[int, ...]
) -> None:
    shapes = setting(
        Sizes((6,) * 3, student, CLASSES), "text-classification", teacher=Sizes((6,) * 5, teacher, CLASSES)
    )
    matched = re.escape(f"found {list(student)} heads in the student's layers and {[teacher[1], teacher[3]]} in")
    with pytest.raises(InputError, match=f"expected a layer that has attention in .* {matched} .*set `attention: 0`"):
        TinyBERT(shapes)
    batch = random_batch(shapes)
    assert TinyBERT(shapes, attention=0)(batch.student, batch.teacher, batch.labels, 0.0).item() > 0


def test_tables_are_trained_where_the_embeddings_are_compared() -> None:
    shapes = setting(FEWER_LAYERS, "text-classification")
    assert TinyBERT(shapes).trains_tables
    assert not TinyBERT(shapes, embedding=0).trains_tables


def test_a_part_without_a_weight_reads_nothing() -> None:
    weights = {"embedding": 0.0, "attention": 0.0, "hidden": 0.0}
    answers, states, scores = "teacher's logits", "hidden states", "attention scores"
    assert TinyBERT.needs_of({**weights, "hidden": 1.0}) == {answers, states}
    assert TinyBERT.needs_of({**weights, "embedding": 1.0}) == {answers, states}
    assert TinyBERT.needs_of({**weights, "attention": 1.0}) == {answers, scores}
    assert TinyBERT(setting(FEWER_LAYERS, "text-classification")).needs_at(0.75) == {answers}
    assert not list(
        TinyBERT(setting(NARROW, "text-classification"), embedding=0, hidden=0, attention=0.5).hidden_projections
    )


def test_embeddings_alone_match_no_layers() -> None:
    deep = setting(Sizes((6,) * 6, (3,) * 5, CLASSES), "text-classification")
    batch = random_batch(deep)
    assert TinyBERT(deep, attention=0, hidden=0)(batch.student, batch.teacher, batch.labels, 0.0).item() > 0
    assert not TinyBERT.in_order({"embedding": 1.0, "attention": 0.0, "hidden": 0.0})


def test_a_first_phase_that_would_learn_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"which the first 75 % of the training learn, found 0 for all of them"):
        TinyBERT(setting(FEWER_LAYERS, "text-classification"), embedding=0, attention=0, hidden=0)
