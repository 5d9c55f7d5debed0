"""How many independent runs a series of dependent ones is worth.

Clopper-Pearson counts runs as independent. On a shared machine they are not: bursts slow all runs of some hundred
milliseconds down together, and every process has its own small offset. 15,000 runs with three bursts among them know
little more of the share of slow runs than these three do.

    design effect  = variance of the share over blocks / variance if the runs were independent
    effective runs = runs / largest design effect over blocks of half a second and over processes

(Kish 1965, section 8.2, with the ratio estimator of clusters of unequal size.) The variance of m blocks is itself
uncertain: for bounds it is multiplied by (t / z)^2, the quantiles of Student's distribution with m - 1 degrees of
freedom and of the normal one. What is not in the data cannot be estimated from it: see `UNSEEN_BURST_SECONDS` of
`records/promise.py`.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from compressor.records.promise import UNSEEN_BURST_SECONDS
from compressor.runtimes.distributions import student_quantile

BLOCK_SECONDS = 0.5

Times = Sequence[NDArray[np.int64]]


def effective_runs(times: Times, level_ns: float, *, confidence: float | None = None) -> float:
    """Independent runs that know as much of the share of runs within a level as these do; at most their number.

    Args:
        times: Nanoseconds, one array per process, in order.
        level_ns: Runs of at most this time are within.
        confidence: Of the bound that it is for; None = for a standard error.
    """
    runs = sum(found.size for found in times)
    effects = [
        _design_effect(blocks) * _uncertainty(len(blocks), confidence)
        for blocks in (_blocks_of_time(times, level_ns), _blocks_of_processes(times, level_ns))
        if len(blocks) > 1
    ]
    return runs / max([1.0, *effects])


def unseen_limit(times: Times) -> float:
    """Most runs that these may count as where bursts that were not met must be allowed for."""
    return float(sum(int(found.sum()) for found in times)) / 1e9 / UNSEEN_BURST_SECONDS


def _blocks_of_processes(times: Times, level_ns: float) -> NDArray[np.int64]:
    """(runs, runs within the level) of each process, [processes, 2]."""
    return np.array([[found.size, (found <= level_ns).sum()] for found in times], dtype=np.int64)


def _blocks_of_time(times: Times, level_ns: float) -> NDArray[np.int64]:
    """(runs, runs within the level) of each half second of each process, empty ones left out, [blocks, 2]."""
    counts = []
    for found in times:
        block = ((np.cumsum(found) - found) / (BLOCK_SECONDS * 1e9)).astype(np.int64)
        runs, within = np.bincount(block), np.bincount(block, weights=found <= level_ns)
        counts.append(np.stack([runs, within.astype(np.int64)], axis=1)[runs > 0])
    return np.concatenate(counts)


def _design_effect(blocks: NDArray[np.int64]) -> float:
    """Variance of the share, from the blocks, over that of independent runs; 1 where all runs are of one kind."""
    runs, within = blocks[:, 0], blocks[:, 1]
    total, m = int(runs.sum()), len(blocks)
    share = float(within.sum()) / total
    if share in (0.0, 1.0):
        return 1.0
    variance = float(((within - share * runs) ** 2).sum()) * m / (m - 1)
    return variance / (share * (1 - share) * total)


def _uncertainty(blocks: int, confidence: float | None) -> float:
    if confidence is None:
        return 1.0
    return float((student_quantile(confidence, blocks - 1) / NormalDist().inv_cdf(confidence)) ** 2)
