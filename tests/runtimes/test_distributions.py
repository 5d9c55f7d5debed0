"""The incomplete beta function and what is made of it, against scipy."""

import numpy as np
import pytest
from scipy import special, stats

from compressor.runtimes.distributions import binomial_tail, incomplete_beta, student_quantile


@pytest.mark.parametrize("a", [0.3, 1.0, 17.5, 900.0, 150_000.0])
@pytest.mark.parametrize("b", [0.3, 1.0, 17.5, 900.0, 150_000.0])
def test_incomplete_beta(a: float, b: float) -> None:
    middle, deviation = a / (a + b), np.sqrt(a * b / (a + b + 1)) / (a + b)
    for x in {0.0, 1e-9, *np.clip(middle + deviation * np.linspace(-3, 3, 7), 1e-9, 1 - 1e-9), 1.0}:
        expected = special.betainc(a, b, x)
        assert incomplete_beta(a, b, float(x)) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("n", [1, 7, 200, 20_000])
@pytest.mark.parametrize("p", [1e-6, 0.3, 0.95, 1 - 1e-6])
def test_binomial_tail(n: int, p: float) -> None:
    for k in {1, n // 3, round(0.95 * n), n - 1, n}:
        assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(
    ("k", "n", "p", "expected"),
    [(0, 5, 0.2, 1.0), (-1, 5, 0.2, 1.0), (6, 5, 0.9, 0.0), (1, 5, 0.0, 0.0), (0, 5, 0.0, 1.0), (5, 5, 1.0, 1.0)],
)
def test_binomial_tail_at_the_ends(k: int, n: int, p: float, expected: float) -> None:
    assert binomial_tail(k, n, p) == expected


@pytest.mark.parametrize("degrees", [1, 4, 14, 29, 500])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_quantiles_of_student(degrees: int, confidence: float) -> None:
    assert student_quantile(confidence, degrees) == pytest.approx(stats.t.ppf(confidence, degrees), rel=1e-9)
