"""The centre of a few numbers with an interval that does not suppose how they are spread.

Hodges and Lehmann 1963: the centre of x_1 .. x_n is the median of their Walsh averages (x_i + x_j) / 2, i <= j. Where
the x are spread symmetrically about it, the number of Walsh averages below the true centre is distributed as the
signed rank statistic T of Wilcoxon (1945), whatever their spread: two of the sorted averages are exact bounds.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray


def centre(values: NDArray[np.float64]) -> float:
    """The Hodges-Lehmann estimate of numbers [n]."""
    return float(np.median(_walsh_averages(values)))


def bounds(values: NDArray[np.float64], alpha: float) -> tuple[float, float] | None:
    """Bounds of the centre of numbers [n], each one-sided; None where n is too small for that alpha.

    Args:
        values: Independent of each other.
        alpha: Probability that the centre is beyond one of them.
    """
    rank = _rank(len(values), alpha)
    if rank is None:
        return None
    averages = _walsh_averages(values)
    return float(averages[rank]), float(averages[-1 - rank])


def fewest(alpha: float) -> int:
    """Numbers that a bound takes at least: all of n are on one side of the centre with probability 2^-n."""
    return int(np.ceil(-np.log2(alpha)))


def _walsh_averages(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """All (x_i + x_j) / 2 with i <= j, sorted."""
    first, second = np.triu_indices(len(values))
    return np.sort((values[first] + values[second]) / 2)


@cache
def _rank(n: int, alpha: float) -> int | None:
    """The largest k at which P[T <= k] <= alpha; None where not even 0 is."""
    below = np.cumsum(_distribution(n))
    return None if below[0] > alpha else int(np.searchsorted(below, alpha, side="right")) - 1


def _distribution(n: int) -> NDArray[np.float64]:
    """P[T = k] for k = 0 .. n (n + 1) / 2: each rank from 1 to n is in the sum or not, like the toss of a coin."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        without, with_it = np.pad(chances, (0, rank)), np.pad(chances, (rank, 0))
        chances = (without + with_it) / 2
    return chances
