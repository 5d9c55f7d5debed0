"""The interval of the centre holds whatever the spread, as often as it says."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from compressor.gate import signed_rank
from compressor.gate.signed_rank import bounds, centre, fewest


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_distribution_is_that_of_all_signs(n: int) -> None:
    ranks = np.arange(1, n + 1)
    sums = [int(ranks[np.array(signs)].sum()) for signs in product([False, True], repeat=n)]
    expected = np.bincount(sums, minlength=n * (n + 1) // 2 + 1) / 2**n
    np.testing.assert_allclose(signed_rank._distribution(n), expected, atol=1e-15)


def test_a_few_numbers_by_hand() -> None:
    # Walsh averages of 1, 2, 4: 1, 1.5, 2, 2.5, 3, 4. Nothing is further out than the ends, each with 1/8.
    values = np.array([1.0, 2.0, 4.0])
    assert centre(values) == 2.25
    assert bounds(values, 0.125) == (1.0, 4.0)
    assert bounds(values, 0.25) == (1.5, 3.0)
    assert bounds(values, 0.12) is None


@pytest.mark.parametrize(("alpha", "n"), [(0.5, 1), (0.05, 5), (0.001, 10)])
def test_the_fewest_numbers_that_a_bound_takes(alpha: float, n: int) -> None:
    assert fewest(alpha) == n
    assert bounds(np.arange(float(n)), alpha) is not None
    assert n == 1 or bounds(np.arange(float(n - 1)), alpha) is None


@pytest.mark.parametrize("spread", [stats.norm, stats.cauchy, stats.uniform(-0.5, 1.0), stats.laplace])
@pytest.mark.parametrize("n", [8, 20])
def test_bounds_are_wrong_as_seldom_as_they_say(spread: stats.rv_continuous, n: int) -> None:
    alpha, trials = 0.05, 4000
    draws = 3.0 + spread.rvs(size=(trials, n), random_state=np.random.default_rng(n))
    found = np.array([bounds(values, alpha) for values in draws])
    above, below = (found[:, 0] > 3.0).mean(), (found[:, 1] < 3.0).mean()
    for wrong in (above, below):  # exact, but for the steps of a discrete statistic
        assert alpha / 2 < wrong < alpha + 4 * np.sqrt(alpha * (1 - alpha) / trials)


def test_one_wild_number_moves_the_centre_by_little() -> None:
    values = np.random.default_rng(0).normal(0.0, 0.01, size=20)
    assert abs(centre(np.append(values, 50.0)) - centre(values)) < 0.003
