"""Parts of the data with one label only: what is said, what is refused, and that the metrics are as blind as said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.records.task import AGREEMENT, TaskSpec
from compressor.tasks import METRICS, Split, Targets, read_task
from compressor.tasks.one_label import check_evaluation, one_label_notes, only_label

WriteFolder = Callable[..., Path]

TRAIN = ["sentence\tlabel", *[f"row {row}\t{row % 2}" for row in range(40)]]
ONES = ["sentence\tlabel", "fine\t1", "good\t1", "nice\t1"]
BINARY = TaskSpec("text-classification", ("sentence",), "label", ("bad", "good"), "accuracy", "dev")
STARS = replace(BINARY, label_names=("1", "2", "3"))
SCORES = replace(BINARY, kind="regression", label_names=("score",), metric="pearson")
TAGS = TaskSpec("token-classification", ("tokens",), "tags", ("O", "B-loc", "I-loc"), "entity_f1", "dev")

REFUSED = [
    (replace(BINARY, metric="f1"), 0, "f1"),
    (replace(BINARY, metric="matthews"), 1, "matthews"),
    (replace(STARS, metric="matthews"), 2, "matthews"),
    (SCORES, -1.0, "pearson"),
    (replace(SCORES, metric="spearman"), 3.5, "spearman"),
    (TAGS, 0, "entity_f1"),
]
NOTED = [
    (BINARY, 0, "accuracy"),
    (replace(BINARY, metric="f1"), 1, "f1"),
    (replace(STARS, metric="f1"), 0, "f1"),
    (replace(TAGS, metric="accuracy"), 0, "accuracy"),
]


def targets_of(spec: TaskSpec, label: float, rows: int) -> Targets:
    if spec.kind == "token-classification":
        return Targets(np.full(rows, int(label)), np.arange(rows + 1), spec.label_names)
    return Targets(np.full(rows, label if spec.kind == "regression" else int(label)))


def reached(spec: TaskSpec, label: float) -> set[float]:
    """The metric of random answers, and of those that are all right."""
    random, targets = np.random.default_rng(0), targets_of(spec, label, 50)
    width = len(spec.label_names)
    answers = [random.normal(size=(50, width)) for _ in range(20)]
    answers.append(np.full((50, 1), label) if spec.kind == "regression" else np.eye(width)[targets.values])
    return {METRICS[spec.metric](outputs, targets) for outputs in answers}


@pytest.mark.parametrize(("spec", "label", "metric"), REFUSED, ids=str)
def test_a_metric_with_one_value_for_all_models_is_refused(spec: TaskSpec, label: float, metric: str) -> None:
    assert reached(spec, label) == {0.0}
    name = f"{label:g}" if spec.kind == "regression" else spec.label_names[int(label)]
    values = targets_of(spec, label, 4).values
    with pytest.raises(
        InputError,
        match=rf"evaluation split 'dev': expected at least two labels to measure {metric} on, found only '{name}' in "
        r"all 4 (rows|words); choose another with --eval-split",
    ):
        check_evaluation(Split("dev", (("x",),) * 4, values), spec)
    (note,) = one_label_notes("selection", values, spec)
    assert note == f"All 4 labels of `selection` are '{name}': {metric} is the same there whatever a model answers."


@pytest.mark.parametrize(("spec", "label", "metric"), NOTED, ids=str)
def test_a_metric_that_a_constant_answer_maximises_is_noted(spec: TaskSpec, label: int, metric: str) -> None:
    found = reached(spec, label)
    assert len(found) > 1
    assert max(found) == 1.0
    values = targets_of(spec, label, 4).values
    (note,) = check_evaluation(Split("dev", (("x",),) * 4, values), spec)
    assert note == (
        f"All 4 labels of `dev` are '{spec.label_names[label]}': a model that always answers so has the full {metric} "
        "there."
    )


@pytest.mark.parametrize(
    ("values", "label"),
    [([0, 0, 1], None), ([2, 2], 2), ([-1, -1], None), ([-1.0, -1.0], -1.0), ([], None), ([0.5, 0.25], None)],
    ids=str,
)
def test_the_only_label(values: list[float], label: float | None) -> None:
    array = np.array(values, dtype=np.int64 if all(isinstance(value, int) for value in values) else np.float64)
    assert only_label(array) == label


def test_agreement_looks_at_the_answers_of_the_teacher() -> None:
    spec = replace(BINARY, metric=AGREEMENT, label_names=())
    assert one_label_notes("selection", np.array([1, 0]), spec) == ()
    (note,) = one_label_notes("selection", np.array([1, 1]), spec)
    assert note.startswith("All 2 answers of the teacher of `selection` are '1': a model that always answers so has")
    assert check_evaluation(Split("dev", (("x",),), np.array([1])), spec) == ()  # labels that nothing is measured with


def test_a_folder_whose_evaluation_has_one_label(write_folder: WriteFolder) -> None:
    folder = write_folder(train=TRAIN, dev=ONES)
    assert read_task(folder).notes == (
        "All 3 labels of `dev` are '1': a model that always answers so has the full accuracy there.",
    )
    with pytest.raises(InputError, match=r"split 'dev': .* to measure matthews on, found only '1' in all 3 rows"):
        read_task(folder, metric="matthews")


def test_rows_carved_from_train_have_one_label_where_a_class_has_a_single_row(write_folder: WriteFolder) -> None:
    folder = write_folder(train=["sentence\tlabel", *[f"row {row}\t{int(row == 7)}" for row in range(40)]])
    data = read_task(folder)
    assert "All 4 labels of `held_out` are '0': a model" in data.notes[1]
    with pytest.raises(InputError, match="split 'held_out': expected at least two labels to measure f1 on"):
        read_task(folder, metric="f1")
