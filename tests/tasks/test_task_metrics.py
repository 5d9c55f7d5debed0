"""Metrics against independent computations, and their bootstrap against theory and against a plain row bootstrap."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from compressor.errors import BorderError, InputError
from compressor.tasks import METRICS, agreement, get_metric, metric_interval, paired_bootstrap, points

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
    assert METRICS["accuracy"](logits, labels) == 6 / 8
    assert METRICS["f1"](logits, labels) == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert METRICS["matthews"](logits, labels) == pytest.approx((3 * 3 - 1 * 1) / np.sqrt(4 * 4 * 4 * 4))


@pytest.mark.parametrize("seed", range(4))
def test_matthews_is_the_correlation_of_binary_labels(seed: int) -> None:
    logits, labels = _random(seed, classes=2)
    expected = stats.pearsonr(logits.argmax(axis=1), labels).statistic
    assert METRICS["matthews"](logits, labels) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_matthews_is_the_correlation_of_indicators(classes: int) -> None:
    logits, labels = _random(0, classes)
    x, y = np.eye(classes)[logits.argmax(axis=1)], np.eye(classes)[labels]
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    assert METRICS["matthews"](logits, labels) == pytest.approx((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


@pytest.mark.parametrize("classes", [3, 7])
def test_macro_f1(classes: int) -> None:
    logits, labels = _random(1, classes)
    assert METRICS["f1"](logits, labels) == pytest.approx(_macro_f1(logits.argmax(axis=1), labels))


def test_macro_f1_leaves_out_classes_that_do_not_occur() -> None:
    predictions, labels = [0, 1, 1, 0], np.array([0, 1, 0, 0])
    assert METRICS["f1"](_one_hot(predictions, 4), labels) == pytest.approx(_macro_f1(np.array(predictions), labels))


@pytest.mark.parametrize(("name", "best"), [("accuracy", 1.0), ("f1", 1.0), ("matthews", 1.0)])
@pytest.mark.parametrize("classes", [2, 5])
def test_perfect(name: str, best: float, classes: int) -> None:
    labels = np.arange(30) % classes
    assert METRICS[name](_one_hot(labels.tolist(), classes), labels) == pytest.approx(best)


@pytest.mark.parametrize(("name", "value"), [("accuracy", 0.5), ("f1", 0.0), ("matthews", 0.0)])
def test_one_class_predicted(name: str, value: float) -> None:
    assert METRICS[name](_one_hot([0, 0, 0, 0]), np.array([0, 1, 0, 1])) == value


def test_matthews_of_all_wrong() -> None:
    assert METRICS["matthews"](_one_hot([0, 1, 0, 1]), np.array([1, 0, 1, 0])) == pytest.approx(-1.0)


def test_agreement_and_points() -> None:
    assert agreement(_one_hot([0, 1, 1, 0]), _one_hot([0, 1, 0, 0])) == 0.75
    assert points(0.906) == pytest.approx(90.6)


@pytest.mark.parametrize("name", METRICS)
def test_get_metric(name: str) -> None:
    assert get_metric(name) is METRICS[name]


@pytest.mark.parametrize(
    ("name", "hint"), [("acuracy", "; did you mean 'accuracy'"), ("F1", "'f1'"), ("zzz", "'zzz'$")]
)
def test_unknown_metric(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=rf"expected one of accuracy, f1, matthews, found .*{hint}"):
        get_metric(name)
    with pytest.raises(InputError, match="expected one of accuracy"):
        metric_interval(name, _one_hot([0, 1]), np.array([0, 1]), seed=0)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 4])
def test_paired_bootstrap_is_the_row_bootstrap(name: str, classes: int) -> None:
    (a, labels), rng = _random(2, classes), np.random.default_rng(7)
    b = a + rng.normal(size=a.shape)
    draws = rng.integers(0, len(labels), (1500, len(labels)))
    metric = METRICS[name]
    plain = [points(metric(a[rows], labels[rows]) - metric(b[rows], labels[rows])) for rows in draws]
    low, high = np.quantile(plain, [0.025, 0.975])
    interval = paired_bootstrap(name, a, b, labels, resamples=20_000, seed=0)
    assert interval.low == pytest.approx(low, abs=0.1 * (high - low))
    assert interval.high == pytest.approx(high, abs=0.1 * (high - low))


def test_interval_of_accuracy_is_binomial() -> None:
    labels = np.zeros(1000, dtype=np.int64)
    interval = metric_interval("accuracy", _one_hot([0] * 900 + [1] * 100), labels, resamples=20_000, seed=0)
    low, high = 0.1 * stats.binom(1000, 0.9).ppf([0.025, 0.975])
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=0.11)


def test_more_confidence_is_a_wider_interval() -> None:
    logits, labels = _random(3, classes=2)
    narrow = metric_interval("f1", logits, labels, confidence=0.8, seed=0)
    wide = metric_interval("f1", logits, labels, confidence=0.99, seed=0)
    assert wide.low < narrow.low < points(METRICS["f1"](logits, labels)) < narrow.high < wide.high


@pytest.mark.parametrize("name", METRICS)
def test_equal_models_differ_by_nothing(name: str) -> None:
    logits, labels = _random(4, classes=3)
    interval = paired_bootstrap(name, logits, 2 * logits, labels, seed=0)
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_bootstrap_is_antisymmetric_and_seeded() -> None:
    a, labels = _random(5, classes=2)
    b = a + np.random.default_rng(0).normal(size=a.shape)
    first = paired_bootstrap("accuracy", a, b, labels, seed=1)
    assert first == paired_bootstrap("accuracy", a, b, labels, seed=1)
    assert first != paired_bootstrap("accuracy", a, b, labels, seed=2)
    swapped = paired_bootstrap("accuracy", b, a, labels, resamples=20_000, seed=1)
    assert [first.low, first.high] == pytest.approx([-swapped.high, -swapped.low], abs=0.5)


def test_bootstrap_is_fast() -> None:
    a, labels = _random(6, classes=2, rows=3000)
    b = a + np.random.default_rng(0).normal(size=a.shape)
    start = time.process_time()
    paired_bootstrap("accuracy", a, b, labels, resamples=2000, seed=0)
    assert time.process_time() - start < 0.5  # 0.006 s where nothing else runs


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, dtype=np.int64), r"logits \[rows, classes\] .*found \(3,\)"),
        (np.zeros((0, 2)), np.zeros(0, dtype=np.int64), r"at least one row and two classes, found \(0, 2\)"),
        (np.zeros((3, 1)), np.zeros(3, dtype=np.int64), r"two classes, found \(3, 1\)"),
        (np.array([[0, 1], [np.nan, 0]]), np.zeros(2, dtype=np.int64), r"found NaN logits in row 1"),
        (np.zeros((3, 2)), np.zeros(2, dtype=np.int64), r"one label per row of logits \(3, 2\), found labels \(2,\)"),
        (np.zeros((2, 2)), np.array([0, 2]), r"expected labels in 0 to 1, found 0 to 2"),
        (np.zeros((2, 2)), np.array([-1, 0]), r"expected labels in 0 to 1, found -1 to 0"),
    ],
)
def test_what_does_not_fit_is_refused(logits: Floats, labels: Ints, message: str) -> None:
    with pytest.raises(BorderError, match=message):
        METRICS["accuracy"](logits, labels)


def test_models_must_fit_each_other() -> None:
    with pytest.raises(BorderError, match=r"same rows, found 2 and 3"):
        agreement(_one_hot([0, 1]), _one_hot([0, 1, 1]))
    with pytest.raises(BorderError, match=r"same rows and classes, found \(2, 2\) and \(2, 3\)"):
        paired_bootstrap("f1", _one_hot([0, 1]), _one_hot([0, 1], 3), np.array([0, 1]), seed=0)
