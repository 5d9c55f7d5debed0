"""Classification metrics against independent computations, metrics by name, and agreement."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from compressor.errors import BorderError, InputError
from compressor.records.task import TASK_KINDS, TaskKind
from compressor.tasks import METRICS, Targets, agreement, check_metric, default_metric, get_metric, points

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _one_hot(predictions: list[int], classes: int = 2) -> Floats:
    return np.eye(classes)[predictions]


def _random(seed: int, classes: int, rows: int = 300) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[labels], labels


def _macro_f1(predictions: Ints, labels: Ints) -> float:
    scores = []
    for k in sorted({*predictions.tolist(), *labels.tolist()}):
        precision = np.mean(labels[predictions == k] == k) if (predictions == k).any() else 0.0
        recall = np.mean(predictions[labels == k] == k) if (labels == k).any() else 0.0
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return float(np.mean(scores))


def test_by_hand() -> None:
    logits, labels = _one_hot([1, 1, 1, 0, 0, 0, 0, 1]), np.array([1, 1, 0, 0, 0, 0, 1, 1])
    assert METRICS["accuracy"](logits, Targets(labels)) == 6 / 8
    assert METRICS["f1"](logits, Targets(labels)) == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert METRICS["matthews"](logits, Targets(labels)) == pytest.approx((3 * 3 - 1 * 1) / np.sqrt(4 * 4 * 4 * 4))


@pytest.mark.parametrize("seed", range(4))
def test_matthews_is_the_correlation_of_binary_labels(seed: int) -> None:
    logits, labels = _random(seed, classes=2)
    expected = stats.pearsonr(logits.argmax(axis=1), labels).statistic
    assert METRICS["matthews"](logits, Targets(labels)) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_matthews_is_the_correlation_of_indicators(classes: int) -> None:
    logits, labels = _random(0, classes)
    x, y = np.eye(classes)[logits.argmax(axis=1)], np.eye(classes)[labels]
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    expected = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
    assert METRICS["matthews"](logits, Targets(labels)) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [3, 7])
def test_macro_f1(classes: int) -> None:
    logits, labels = _random(1, classes)
    assert METRICS["f1"](logits, Targets(labels)) == pytest.approx(_macro_f1(logits.argmax(axis=1), labels))


def test_macro_f1_leaves_out_classes_that_do_not_occur() -> None:
    predictions, labels = [0, 1, 1, 0], np.array([0, 1, 0, 0])
    assert METRICS["f1"](_one_hot(predictions, 4), Targets(labels)) == pytest.approx(
        _macro_f1(np.array(predictions), labels)
    )


@pytest.mark.parametrize(("name", "best"), [("accuracy", 1.0), ("f1", 1.0), ("matthews", 1.0)])
@pytest.mark.parametrize("classes", [2, 5])
def test_perfect(name: str, best: float, classes: int) -> None:
    labels = np.arange(30) % classes
    assert METRICS[name](_one_hot(labels.tolist(), classes), Targets(labels)) == pytest.approx(best)


@pytest.mark.parametrize(("name", "value"), [("accuracy", 0.5), ("f1", 0.0), ("matthews", 0.0)])
def test_one_class_predicted(name: str, value: float) -> None:
    assert METRICS[name](_one_hot([0, 0, 0, 0]), Targets(np.array([0, 1, 0, 1]))) == value


def test_matthews_of_all_wrong() -> None:
    assert METRICS["matthews"](_one_hot([0, 1, 0, 1]), Targets(np.array([1, 0, 1, 0]))) == pytest.approx(-1.0)


def test_agreement_and_points() -> None:
    targets = Targets(np.zeros(4, dtype=np.int64))
    assert agreement(_one_hot([0, 1, 1, 0]), _one_hot([0, 1, 0, 0]), targets) == 0.75
    assert points(0.906) == pytest.approx(90.6)


def test_words_count_and_the_rest_of_their_tokens_does_not() -> None:
    targets = Targets(np.array([-100, 1, -100, 0, -100, -100, 1, -100]), np.array([0, 5, 8]), ("O", "B-a"))
    model, teacher = _one_hot([0, 1, 1, 1, 0, 0, 0, 1]), _one_hot([1, 1, 0, 1, 1, 1, 1, 0])
    assert METRICS["accuracy"](model, targets) == pytest.approx(1 / 3)
    assert agreement(model, teacher, targets) == pytest.approx(2 / 3)
    assert METRICS["agreement"](teacher, targets.answered_by(teacher)) == 1.0


@pytest.mark.parametrize("name", METRICS)
def test_get_metric(name: str) -> None:
    assert get_metric(name).name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("acuracy", "; did you mean 'accuracy'"), ("F1", "'f1'"), ("zzz", "'zzz'$")]
)
def test_unknown_metric(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=rf"expected one of accuracy, f1, matthews, .*, found .*{hint}"):
        get_metric(name)
    with pytest.raises(InputError, match="expected one of accuracy"):
        check_metric("text-classification", name)


def test_every_kind_has_a_default_that_measures_it() -> None:
    found = [check_metric(kind, default_metric(kind)) for kind in TASK_KINDS]
    assert found == ["accuracy", "pearson", "entity_f1"]


@pytest.mark.parametrize(
    ("kind", "name", "others"),
    [
        ("text-classification", "entity_f1", "accuracy, f1, matthews, agreement"),
        ("regression", "accuracy", "pearson, spearman"),
        ("token-classification", "f1", "entity_f1, accuracy, agreement"),
    ],
)
def test_a_metric_of_another_kind_is_refused(kind: TaskKind, name: str, others: str) -> None:
    with pytest.raises(InputError, match=rf"metric: expected one of {others} for {kind}, found '{name}'"):
        check_metric(kind, name)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, dtype=np.int64), r"logits \[rows, classes\].*found \(3,\)"),
        (np.zeros((0, 2)), np.zeros(0, dtype=np.int64), r"at least one row and two classes, found \(0, 2\)"),
        (np.zeros((3, 1)), np.zeros(3, dtype=np.int64), r"two classes, found \(3, 1\)"),
        (np.array([[0, 1], [np.nan, 0]]), np.zeros(2, dtype=np.int64), r"found NaN logits in row 1"),
        (np.zeros((3, 2)), np.zeros(2, dtype=np.int64), r"one target per row of logits \(3, 2\), found \(2,\)"),
        (np.zeros((2, 2)), np.array([0, 2]), r"expected targets in 0 to 1, found 0 to 2"),
        (np.zeros((2, 2)), np.array([-1, 0]), r"expected targets in 0 to 1, found -1 to 0"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "f1"])
def test_what_does_not_fit_is_refused(name: str, logits: Floats, labels: Ints, message: str) -> None:
    with pytest.raises(BorderError, match=message):
        METRICS[name](logits, Targets(labels))


def test_models_must_fit_each_other() -> None:
    with pytest.raises(BorderError, match=r"expected logits \[2, classes\], found \(3, 2\)"):
        agreement(_one_hot([0, 1]), _one_hot([0, 1, 1]), Targets(np.array([0, 1])))
