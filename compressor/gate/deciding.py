"""From engines timed in turn to a verdict, in as many looks as it takes.

A process gives one number: the median over its rounds of log(head / base), where the base is the geometric mean of two
copies. Processes are independent of each other; rounds are not. Between the two copies of the base there is no
difference, so their own ratio shows what this machine makes of nothing.

    fail          the ratio's lower bound is above 1 + the larger of max-regression and the noise floor
    pass          its upper bound is below 1 + max-regression
    inconclusive  neither, when the time is up
    unmeasured    too few processes for a bound

The noise floor is the further end of the interval of base over base. There are at most `LOOKS` looks, and each has its
share of the probability of an error, so that looking again and again makes none likelier (Bonferroni).
"""

import math

import numpy as np
from numpy.typing import NDArray

from compressor.gate import signed_rank
from compressor.records.gate import GateVerdict, Ratio

# Probability that a bound is wrong, over all looks.
ALPHA = 0.005
SHARE = ALPHA / 5
FEWEST, MOST = signed_rank.fewest(SHARE), 50
# Processes after which there is a look; the last one is when the time is up, or at the most.
LOOKS = (FEWEST, 15, 22, 33, MOST)
BASE, HEAD, AGAIN = range(3)

Times = NDArray[np.int64]


def log_ratio(times: Times) -> tuple[float, float]:
    """Of one process: (log head / base, log base / base).

    Args:
        times: Nanoseconds, [rounds, 3, burst]: base, head and the base again.
    """
    base, head, again = np.log(np.median(times, axis=2)).T
    return float(np.median(head - (base + again) / 2)), float(np.median(again - base))


def ratios(logs: NDArray[np.float64]) -> tuple[Ratio, Ratio]:
    """Head over base, and base over base; `log_ratio` of every process, [processes, 2]."""
    return _ratio(logs[:, 0]), _ratio(logs[:, 1])


def _ratio(logs: NDArray[np.float64]) -> Ratio:
    found = signed_rank.bounds(logs, SHARE)
    low, high = (None, None) if found is None else (math.exp(found[0]), math.exp(found[1]))
    return Ratio(math.exp(signed_rank.centre(logs)), low, high, len(logs))


def noise_floor(noise: Ratio) -> float:
    """The least share by which this machine can tell two engines apart; infinite with too few processes."""
    if noise.low is None or noise.high is None:
        return math.inf
    return max(abs(math.log(noise.low)), abs(math.log(noise.high)))


def decide(ratio: Ratio, noise: Ratio, max_regression: float) -> GateVerdict:
    """The verdict on a ratio.

    Args:
        ratio: Head over base.
        noise: Base over base.
        max_regression: Share by which the head may be slower.
    """
    if ratio.low is None or ratio.high is None:
        return GateVerdict.UNMEASURED
    if ratio.low > 1 + max(max_regression, math.expm1(noise_floor(noise))):
        return GateVerdict.FAIL
    return GateVerdict.PASS if ratio.high < 1 + max_regression else GateVerdict.INCONCLUSIVE


def look(logs: NDArray[np.float64], max_regression: float, *, last: bool) -> GateVerdict | None:
    """The verdict, if these are enough processes for one; None = go on measuring.

    Args:
        logs: `log_ratio` of every process so far, [processes, 2].
        max_regression: Share by which the head may be slower.
        last: No further process will come.
    """
    if not last and len(logs) not in LOOKS:
        return None
    verdict = decide(*ratios(logs), max_regression)
    return None if verdict is GateVerdict.INCONCLUSIVE and not last else verdict


def enough_seconds(spent: float, processes: int) -> int:
    """Whole seconds in which the first look is reached, from what so many processes took.

    With a fifth to spare: on a shared machine the next may take longer.
    """
    return math.ceil(1.2 * FEWEST * spent / processes)
