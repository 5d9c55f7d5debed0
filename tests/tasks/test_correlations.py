"""Correlations against scipy, for one sample and for resamples, and what does not fit."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from compressor.errors import BorderError
from compressor.tasks import METRICS, Targets

Floats = NDArray[np.float64]
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}


def _pairs(seed: int, rows: int = 200, *, ties: bool = False) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 5, rows)
    predicted = true**2 + rng.normal(size=rows, scale=3)
    return (predicted.round(), true.round()) if ties else (predicted, true)


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_one_sample(name: str, ties: bool, seed: int) -> None:
    predicted, true = _pairs(seed, ties=ties)
    found = METRICS[name](predicted[:, None], Targets(true))
    assert found == pytest.approx(SCIPY[name](predicted, true).statistic, abs=1e-12)


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("ties", [False, True])
def test_rows_that_count_several_times(name: str, ties: bool) -> None:
    predicted, true = _pairs(7, rows=40, ties=ties)
    weights = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), size=25)
    metric = METRICS[name]
    terms = metric.terms(predicted[:, None], Targets(true))
    found = metric.value(terms, weights.astype(np.float64))
    rows = [np.repeat(np.arange(40), weight) for weight in weights]
    assert found == pytest.approx([SCIPY[name](predicted[r], true[r]).statistic for r in rows], abs=1e-12)


@pytest.mark.parametrize("name", SCIPY)
def test_only_the_order_or_the_line_matters(name: str) -> None:
    predicted, true = _pairs(1)
    metric, targets = METRICS[name], Targets(true)
    assert metric(1e6 + 0.01 * predicted[:, None], targets) == pytest.approx(metric(predicted[:, None], targets))
    assert metric(-predicted[:, None], targets) == pytest.approx(-metric(predicted[:, None], targets))
    cubed = metric(predicted[:, None] ** 3, targets)
    assert (cubed == pytest.approx(metric(predicted[:, None], targets))) == (name == "spearman")


@pytest.mark.parametrize("name", SCIPY)
def test_a_side_that_does_not_vary_gives_nothing(name: str) -> None:
    constant, true = np.full((6, 1), 0.1, dtype=np.float32), np.arange(6, dtype=np.float64)
    assert METRICS[name](constant, Targets(true)) == 0.0
    terms = METRICS[name].terms(true[:, None], Targets(true))
    one_row_only = np.array([[0.0, 0, 6, 0, 0, 0]])
    assert METRICS[name].value(terms, one_row_only).tolist() == [0.0]


@pytest.mark.parametrize(
    ("outputs", "values", "message"),
    [
        (np.zeros((3, 2)), np.zeros(3), r"expected scores \[rows, 1\] .*found \(3, 2\)"),
        (np.zeros((0, 1)), np.zeros(0), r"at least one row, found \(0, 1\)"),
        (np.zeros((3, 1)), np.zeros(2), r"expected 3 true scores, found float64 \(2,\)"),
        (np.zeros((3, 1)), np.zeros(3, dtype=np.int64), r"expected 3 true scores, found int64 \(3,\)"),
        (np.array([[0.0], [np.nan]]), np.zeros(2), r"expected finite scores, found nan in row 1"),
        (np.array([[np.inf], [0.0]]), np.zeros(2), r"expected finite scores, found inf in row 0"),
    ],
)
def test_what_does_not_fit_is_refused(outputs: Floats, values: Floats, message: str) -> None:
    with pytest.raises(BorderError, match=message):
        METRICS["pearson"](outputs, Targets(values))
