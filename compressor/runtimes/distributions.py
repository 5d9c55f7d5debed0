"""The distributions behind exact bounds, for counts that need not be whole numbers.

| symbol | meaning |
| --- | --- |
| I_x(a, b) | regularised incomplete beta function |
| n, k | runs, and runs of a kind; real numbers where dependent runs count as fewer independent ones |
| p | share of that kind |
"""

import math
from collections.abc import Callable
from functools import cache


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) for positive a and b.

    The continued fraction of DLMF 8.17.22, which converges fast for x < (a + 1) / (a + b + 2); beyond that
    I_x(a, b) = 1 - I_(1-x)(b, a).
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction = 1.0
    for m in range(_terms(a, b), 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        fraction = 1.0 + even / (1.0 + odd / fraction)
    fraction = 1.0 - (a + b) * x / (a + 1) / fraction
    return math.exp(log_front - math.log(a)) / fraction


def _terms(a: float, b: float) -> int:
    """Terms of the fraction: the number that is needed grows with the square root of the larger parameter."""
    return 40 + 2 * math.isqrt(math.ceil(max(a, b)))


def binomial_tail(k: float, n: float, p: float) -> float:
    """P[X >= k] of X ~ Binomial(n, p) = I_p(k, n - k + 1), its continuation for real k and n."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else incomplete_beta(k, n - k + 1, p)


@cache
def student_quantile(confidence: float, degrees: int) -> float:
    """The t at which P[T <= t] = confidence > 1/2, of Student's distribution with so many degrees of freedom.

    From P[|T| > t] = I_x(degrees / 2, 1/2) at x = degrees / (degrees + t^2), DLMF 8.17.
    """
    x = root(lambda x: incomplete_beta(degrees / 2, 0.5, x) - 2 * (1.0 - confidence))
    return math.sqrt(degrees * (1.0 - x) / x)


def root(rising: Callable[[float], float]) -> float:
    """Where a function that rises on [0, 1] is zero, by bisection to 2^-50."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
