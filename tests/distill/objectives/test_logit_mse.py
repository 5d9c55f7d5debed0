"""Least squares on logits keeps the contract of objectives."""

import numpy as np
from contracts.objective_contract import Floats, Ints, Numbers, ObjectiveContract


class TestLogitMSE(ObjectiveContract):
    """The contract."""

    name = "logit-mse"
    matches_layers = False
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        found: Floats = np.square(student.logits - teacher.logits).sum(-1)
        return found
