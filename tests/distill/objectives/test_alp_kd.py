"""ALP-KD keeps the contract of objectives."""

import numpy as np
import pytest
from contracts.objective_contract import (
    CLASSES,
    FEWER_LAYERS,
    Floats,
    Ints,
    Numbers,
    ObjectiveContract,
    first_tokens,
    log_softmax,
    setting,
)

from compressor.distill.objectives import get_objective
from compressor.encoder import Sizes
from compressor.errors import InputError


def mixture_distance(student: Numbers, teacher: Numbers, buckets: list[list[int]]) -> Floats:
    """[rows], row by row."""
    total = np.zeros(len(student.logits))
    for layer, bucket in enumerate(buckets, 1):
        for row, ours in enumerate(first_tokens(student, layer)):
            theirs = np.stack([first_tokens(teacher, k)[row] for k in bucket])
            weights = np.exp(log_softmax(theirs @ ours))
            total[row] += np.square(ours - weights @ theirs).mean()
    return total


class TestALPKD(ObjectiveContract):
    """The contract."""

    name = "alp-kd"
    matches_layers = False
    at_teacher = None

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return mixture_distance(student, teacher, [[1, 2, 3, 4], [1, 2, 3, 4]])


class TestALPKDNoOverlap(ObjectiveContract):
    """The contract."""

    name = "alp-kd-no"
    matches_layers = True
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return mixture_distance(student, teacher, [[1, 2], [3, 4]])


class TestALPKDPartialOverlap(ObjectiveContract):
    """The contract."""

    name = "alp-kd-po"
    matches_layers = True
    at_teacher = None

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return mixture_distance(student, teacher, [[1, 2, 3], [2, 3, 4]])


def test_layers_of_several_widths_cannot_be_mixed() -> None:
    shapes = setting(FEWER_LAYERS, "text-classification", teacher=Sizes((6, 6, 6, 8), (3, 3, 3), CLASSES))
    with pytest.raises(InputError, match=r"--distill alp-kd mixes .* expected all of one width, found \(6, 6, 6, 8\)"):
        get_objective("alp-kd")(shapes)
