"""What "accuracy" means for a task: metrics by name.

A metric is a formula of terms per row, and a row may count several times. That is all that a bootstrap over rows needs
(`bootstrap.py`), and rows of different lengths, such as sentences with their entities, are rows like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean
from compressor.records.task import AGREEMENT, TaskKind
from compressor.tasks.classes import accuracy_of, class_counts, f1_of, hits, matthews_of
from compressor.tasks.correlations import pearson_of, scores, spearman_of
from compressor.tasks.entities import entity_counts, entity_f1_of
from compressor.tasks.targets import Targets

Floats = NDArray[np.float64]
Outputs = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Metric:
    """A metric, called with outputs and targets.

    Args:
        name: A key of `METRICS`.
        terms: (outputs, targets) -> what each row adds [rows, terms].
        value: (terms [rows, terms], how often each row counts [..., rows]) -> the metric [...].

    Example:
        >>> get_metric("accuracy")(np.array([[0.1, 0.9], [0.8, 0.2]]), Targets(np.array([1, 1])))
        0.5
    """

    name: str
    terms: Callable[[Outputs, Targets], Floats]
    value: Callable[[Floats, Floats], Floats]

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        """The metric of a model, at most 1.

        Args:
            outputs: [rows, classes]; [rows, 1] for scores; [tokens, classes] where the targets have one per token.
            targets: Of the same rows.

        Raises:
            BorderError: They do not fit, or an output is NaN.
        """
        terms = self.terms(outputs, targets)
        return float(self.value(terms, np.ones(len(terms))))


def _of_sums(formula: Callable[[Floats], Floats]) -> Callable[[Floats, Floats], Floats]:
    return lambda terms, weights: formula(weights @ terms)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", hits, _of_sums(accuracy_of)),
        Metric("f1", class_counts, _of_sums(f1_of)),
        Metric("matthews", class_counts, _of_sums(matthews_of)),
        Metric("pearson", scores, pearson_of),
        Metric("spearman", scores, spearman_of),
        Metric("entity_f1", entity_counts, _of_sums(entity_f1_of)),
        # The accuracy whose targets are the teacher's answers.
        Metric(AGREEMENT, hits, _of_sums(accuracy_of)),
    )
}
# The first is the default.
_OF_KIND: dict[TaskKind, tuple[str, ...]] = {
    "text-classification": ("accuracy", "f1", "matthews", AGREEMENT),
    "regression": ("pearson", "spearman"),
    "token-classification": ("entity_f1", "accuracy", AGREEMENT),
}


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        InputError: There is none; the message names all, and the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    raise InputError(f"metric: expected one of {', '.join(METRICS)}, found {name!r}{did_you_mean(name, METRICS)}")


def default_metric(kind: TaskKind) -> str:
    """Name of the metric of a kind of task: accuracy, pearson or entity_f1."""
    return _OF_KIND[kind][0]


def check_metric(kind: TaskKind, name: str) -> str:
    """The name itself, if that metric measures that kind of task.

    Raises:
        InputError: There is no such metric, or it does not; the message names those that do.
    """
    get_metric(name)
    if name not in _OF_KIND[kind]:
        raise InputError(f"metric: expected one of {', '.join(_OF_KIND[kind])} for {kind}, found {name!r}")
    return name


def points(value: float) -> float:
    """A metric in points, the unit of `--max-accuracy-drop`: 0.906 -> 90.6."""
    return 100.0 * value


def agreement(outputs: Outputs, teacher: Outputs, targets: Targets) -> float:
    """Share of the values that count on which a model predicts the teacher's class.

    Args:
        outputs: Logits of the model [rows, classes] or [tokens, classes].
        teacher: Logits of the teacher, likewise.
        targets: Of the same rows; says what counts.

    Returns:
        In [0, 1].

    Raises:
        BorderError: They do not fit.
    """
    return METRICS[AGREEMENT](outputs, targets.answered_by(teacher))
