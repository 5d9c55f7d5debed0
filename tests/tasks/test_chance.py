"""What an answer that never changes reaches, and teachers that do not reach more."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.records.task import AGREEMENT, TaskSpec
from compressor.tasks import METRICS, Targets
from compressor.tasks.chance import chance, chance_notes

BINARY = TaskSpec("text-classification", ("sentence",), "label", ("bad", "good"), "accuracy", "dev")
STARS = replace(BINARY, label_names=tuple("123456"))
SCORES = replace(BINARY, kind="regression", label_names=("score",), metric="pearson")
TAGS = TaskSpec("token-classification", ("tokens",), "tags", ("O", "B-loc", "I-loc"), "entity_f1", "dev")
ROWS = 40


def targets_of(spec: TaskSpec) -> Targets:
    """Labels of which the first is the most common; of words, with tokens that do not count."""
    random = np.random.default_rng(1)
    if spec.kind == "regression":
        return Targets(random.normal(size=ROWS))
    values = np.minimum(random.integers(0, 2 * len(spec.label_names), size=ROWS) // 2, len(spec.label_names) - 1)
    values[: ROWS // 3] = 0
    if spec.kind == "text-classification":
        return Targets(values)
    values[::8] = -100
    return Targets(values, np.arange(0, ROWS + 1, 8), spec.label_names)


def outputs_of(spec: TaskSpec, targets: Targets, *, right: bool) -> NDArray[np.float64]:
    if spec.kind == "regression":
        return np.asarray(targets.values[:, None] * (1.0 if right else -1.0))
    classes = len(spec.label_names)
    answers = np.where(targets.counted, targets.values, 0)
    return np.eye(classes)[answers if right else (answers + 1) % classes]


@pytest.mark.parametrize("spec", [BINARY, STARS, replace(TAGS, metric="accuracy")], ids=lambda spec: spec.kind)
def test_of_accuracy_it_is_the_share_of_the_most_common_label(spec: TaskSpec) -> None:
    targets = targets_of(spec)
    counted = targets.values[targets.counted]
    assert chance(targets, spec) == pytest.approx(max(np.mean(counted == label) for label in set(counted)))


@pytest.mark.parametrize(
    "spec",
    [
        replace(BINARY, metric="matthews"),
        replace(STARS, metric="matthews"),
        SCORES,
        replace(SCORES, metric="spearman"),
    ],
    ids=lambda spec: spec.metric,
)
def test_of_correlations_it_is_zero(spec: TaskSpec) -> None:
    assert chance(targets_of(spec), spec) == 0.0


def test_of_f1_it_is_what_always_answering_the_positive_class_has() -> None:
    spec = replace(BINARY, metric="f1")
    positive = np.mean(targets_of(spec).values == 1)
    assert positive < 0.5
    assert chance(targets_of(spec), spec) == pytest.approx(2 * positive / (1 + positive))


@pytest.mark.parametrize(
    "spec",
    list(
        chain(
            (replace(spec, metric=name) for spec in (BINARY, STARS) for name in ("accuracy", "f1", "matthews")),
            (SCORES, replace(SCORES, metric="spearman"), TAGS, replace(TAGS, metric="accuracy")),
        )
    ),
    ids=lambda spec: f"{spec.kind} {len(spec.label_names)} {spec.metric}",
)
def test_both_numbers_and_the_likely_reason_are_said(spec: TaskSpec) -> None:
    targets = targets_of(spec)
    right, wrong = (outputs_of(spec, targets, right=right) for right in (True, False))
    assert chance_notes(right, targets, spec, part="selection") == ()
    (note,) = chance_notes(wrong, targets, spec, part="selection")
    if spec is TAGS:  # wrong tags make some entities that are right
        assert METRICS["entity_f1"](wrong, targets) > 0
        spec = replace(TAGS, metric="accuracy")
    reached = 100 * METRICS[spec.metric](wrong, targets)
    assert f"chance on `selection`: {spec.metric} {reached:.2f}, and" in note
    assert f" never changes has {100 * chance(targets, spec):.2f}. Likely" in note
    assert ("id2label" in note) == (spec.kind != "regression")
    assert "--label-column" in note


def test_a_teacher_that_always_gives_the_most_common_answer_is_no_better() -> None:
    targets = targets_of(BINARY)
    assert len(chance_notes(np.eye(2)[np.zeros(ROWS, dtype=int)], targets, BINARY, part="selection")) == 1


def test_many_classes_are_not_all_listed() -> None:
    targets = targets_of(STARS)
    (note,) = chance_notes(outputs_of(STARS, targets, right=False), targets, STARS, part="selection")
    assert "(0 = 1, 1 = 2, 2 = 3, 3 = 4, 4 = 5, ...)" in note


@pytest.mark.parametrize(
    ("spec", "targets"),
    [(replace(BINARY, metric=AGREEMENT), Targets(np.array([0, 1]))), (BINARY, Targets(np.array([1, 1])))],
    ids=["its answers are the labels", "one label, which is said elsewhere"],
)
def test_nothing_is_said_where_chance_is_no_measure(spec: TaskSpec, targets: Targets) -> None:
    assert chance_notes(np.eye(2)[[1, 0]], targets, spec, part="selection") == ()
