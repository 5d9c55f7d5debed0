"""Patient distillation keeps the contract of objectives, and matches the layers of the paper."""

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
    first_tokens,
    random_batch,
    setting,
)

from compressor.distill.objectives import get_objective
from compressor.distill.objectives.pkd import PKDLast, PKDSkip
from compressor.encoder import Sizes, Trace
from compressor.errors import InputError


def direction_distance(student: Numbers, teacher: Numbers, pairs: list[tuple[int, int]]) -> Floats:
    """[rows]; cosines in the place of the squares."""
    total = np.zeros(len(student.logits))
    for ours, theirs in pairs:
        a, b = first_tokens(student, ours), first_tokens(teacher, theirs)
        total += 2 - 2 * (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return total


class TestPKDSkip(ObjectiveContract):
    """The contract."""

    name = "pkd-skip"
    matches_layers = True
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return direction_distance(student, teacher, [(1, 2)])


class TestPKDLast(ObjectiveContract):
    """The contract."""

    name = "pkd-last"
    matches_layers = True
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return direction_distance(student, teacher, [(1, 3)])


def test_the_layers_are_those_of_the_paper() -> None:
    assert PKDSkip.pairs(6, 12) == [(1, 2), (2, 4), (3, 6), (4, 8), (5, 10)]
    assert PKDLast.pairs(6, 12) == [(1, 7), (2, 8), (3, 9), (4, 10), (5, 11)]
    assert PKDSkip.pairs(3, 12) == [(1, 4), (2, 8)]
    assert PKDLast.pairs(3, 12) == [(1, 10), (2, 11)]


@pytest.mark.parametrize("name", ["pkd-skip", "pkd-last"])
def test_a_student_of_one_layer_has_nothing_to_match(name: str) -> None:
    shapes = setting(Sizes((6, 6), (3,), CLASSES), "text-classification")
    batch = random_batch(shapes)
    assert get_objective(name)(shapes)(batch.student, batch.teacher, batch.labels, 0.0).item() == 0


def test_the_advice_fits_the_task() -> None:
    for task, instead in (("text-classification", "vanilla-kd"), ("regression", "logit-mse")):
        with pytest.raises(InputError, match=f"found 5; use a loss on outputs, such as {instead}, in its place"):
            get_objective("pkd-skip")(setting(Sizes((6,) * 6, (3,) * 5, CLASSES), task))


def test_the_length_of_a_state_does_not_count() -> None:
    shapes = setting(FEWER_LAYERS, "text-classification")
    batch, objective = random_batch(shapes), get_objective("pkd-skip")(shapes)
    longer = Trace(batch.student.logits, batch.student.mask, tuple(7 * state for state in batch.student.hidden))
    found, expected = (objective(s, batch.teacher, batch.labels, 0.0) for s in (longer, batch.student))
    torch.testing.assert_close(found, expected)


def test_a_model_that_pools_is_compared_by_what_it_pools() -> None:
    shapes = setting(FEWER_LAYERS, "text-classification")
    batch, objective = random_batch(shapes), get_objective("pkd-skip")(shapes)
    student = batch.student
    pooling = Trace(student.logits, student.mask, student.hidden, pooled=tuple(h.mean(1) for h in student.hidden[1:]))
    stands_first = Trace(student.logits, student.mask, tuple(h.mean(1, keepdim=True) for h in student.hidden))
    found, expected, other = (objective(s, batch.teacher, batch.labels, 0.0) for s in (pooling, stands_first, student))
    torch.testing.assert_close(found, expected)
    assert abs(found - other) > 0.01
