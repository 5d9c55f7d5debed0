"""Bootstrap intervals against theory and against a plain bootstrap over rows, for every kind of task."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from compressor.errors import BorderError, InputError
from compressor.tasks import IGNORED, METRICS, Targets, bootstrap, metric_interval, paired_bootstrap, points
from compressor.tasks.ragged import offsets_of, take

Floats = NDArray[np.float64]
Case = tuple[Floats, Targets]


def _classes(seed: int, classes: int = 2, rows: int = 300) -> Case:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[labels], Targets(labels)


def _many_classes(seed: int) -> Case:
    return _classes(seed, classes=4)


def _scores(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 5, 150).round(1)
    return (true + rng.normal(size=150, scale=1.5))[:, None], Targets(true)


def _sentences(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    offsets = offsets_of(rng.integers(1, 12, 120))
    values = rng.choice([0, 0, 0, 1, 2, IGNORED], offsets[-1])
    outputs = rng.normal(size=(offsets[-1], 3)) + 2.5 * np.eye(3)[np.maximum(values, 0)]
    return outputs, Targets(values, offsets, ("O", "B-a", "I-a"))


CASES: list[tuple[str, Callable[[int], Case]]] = [
    *((name, kind) for kind in (_classes, _many_classes) for name in ("accuracy", "f1", "matthews", "agreement")),
    *((name, _scores) for name in ("pearson", "spearman")),
    *((name, _sentences) for name in ("entity_f1", "accuracy", "agreement")),
]


def _rows(outputs: Floats, targets: Targets, index: NDArray[np.int64]) -> Case:
    places = index if targets.offsets is None else take(targets.offsets, index)[0]
    return outputs[places], targets.select(index)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_it_is_the_bootstrap_over_rows(name: str, kind: Callable[[int], Case]) -> None:
    (a, targets), rng = kind(2), np.random.default_rng(7)
    b = a + rng.normal(size=a.shape)
    metric = METRICS[name]
    plain = []
    for index in rng.integers(0, len(targets), (1000, len(targets))):
        drawn_a, drawn = _rows(a, targets, index)
        plain.append(points(metric(drawn_a, drawn) - metric(_rows(b, targets, index)[0], drawn)))
    low, high = np.quantile(plain, [0.025, 0.975])
    interval = paired_bootstrap(name, a, b, targets, resamples=10_000, seed=0)
    assert interval.low == pytest.approx(low, abs=0.12 * (high - low))
    assert interval.high == pytest.approx(high, abs=0.12 * (high - low))


def test_interval_of_accuracy_is_binomial() -> None:
    targets = Targets(np.zeros(1000, dtype=np.int64))
    interval = metric_interval("accuracy", np.eye(2)[[0] * 900 + [1] * 100], targets, resamples=20_000, seed=0)
    low, high = 0.1 * stats.binom(1000, 0.9).ppf([0.025, 0.975])
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=0.11)


def test_interval_of_pearson_is_fishers() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 2000).T
    interval = metric_interval("pearson", x[:, None], Targets(y), seed=0)
    expected = stats.pearsonr(x, y).confidence_interval(0.95)
    assert [interval.low, interval.high] == pytest.approx([100 * expected.low, 100 * expected.high], abs=0.3)


def test_words_of_a_sentence_are_drawn_together() -> None:
    # Ten words of a sentence are all right or all wrong: 50 rows of information, not 500.
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(50) < 0.6, 10)
    targets = Targets(np.zeros(500, dtype=np.int64), np.arange(0, 501, 10), ("O", "B-a"))
    interval = metric_interval("accuracy", np.eye(2)[(~right).astype(int)], targets, seed=0)
    share = right.mean()
    assert interval.high - interval.low == pytest.approx(100 * 2 * 1.96 * np.sqrt(share * (1 - share) / 50), rel=0.1)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_parts_are_one(name: str, kind: Callable[[int], Case], monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, targets = kind(3)
    whole = metric_interval(name, outputs, targets, resamples=300, seed=0)
    monkeypatch.setattr(bootstrap, "_COUNTS_AT_ONCE", 1)
    parts = metric_interval(name, outputs, targets, resamples=300, seed=0)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=1e-9)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_more_confidence_is_a_wider_interval(name: str, kind: Callable[[int], Case]) -> None:
    outputs, targets = kind(3)
    narrow = metric_interval(name, outputs, targets, confidence=0.8, seed=0)
    wide = metric_interval(name, outputs, targets, confidence=0.99, seed=0)
    assert wide.low < narrow.low < points(METRICS[name](outputs, targets)) < narrow.high < wide.high


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_equal_models_differ_by_nothing(name: str, kind: Callable[[int], Case]) -> None:
    outputs, targets = kind(4)
    interval = paired_bootstrap(name, outputs, 2 * outputs, targets, seed=0)
    assert (interval.low, interval.high) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_bootstrap_is_antisymmetric_and_seeded() -> None:
    a, targets = _classes(5)
    b = a + np.random.default_rng(0).normal(size=a.shape)
    first = paired_bootstrap("accuracy", a, b, targets, seed=1)
    assert first == paired_bootstrap("accuracy", a, b, targets, seed=1)
    assert first != paired_bootstrap("accuracy", a, b, targets, seed=2)
    swapped = paired_bootstrap("accuracy", b, a, targets, resamples=20_000, seed=1)
    assert [first.low, first.high] == pytest.approx([-swapped.high, -swapped.low], abs=0.5)


def test_what_does_not_fit_is_refused() -> None:
    outputs, targets = _classes(0)
    with pytest.raises(BorderError, match=r"same rows and classes, found \(300, 2\) and \(299, 2\)"):
        paired_bootstrap("f1", outputs, outputs[1:], targets, seed=0)
    with pytest.raises(BorderError, match=r"one target per row of logits \(299, 2\), found \(300,\)"):
        metric_interval("f1", outputs[1:], targets, seed=0)
    with pytest.raises(InputError, match=r"expected one of accuracy.* did you mean 'pearson'"):
        metric_interval("person", outputs, targets, seed=0)
