"""The latency promise, measured on the engine file in fresh processes and decided by exact statistics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.records.latency import CompileOptions
from compressor.records.promise import Budget, Verdict
from compressor.records.results import LatencyResult
from compressor.runtimes.base import Device, Feeds
from compressor.runtimes.statistics import judge, share_bounds, summarise

# More and longer than the design asks for: a neighbour's three bad seconds weigh less.
PROCESSES = 5
SECONDS = 15.0
MAX_REPEATS = 2


def verify_latency(
    device: Device, engine: Path, feeds: Sequence[Feeds], options: CompileOptions, budget: Budget
) -> LatencyResult:
    """Measure until the promise is decided, at most three times; every run counts, of all measurements together."""
    limit_ms = budget.max_latency_ms
    samples: list[NDArray[np.int64]] = []
    repeats = -1
    verdict = Verdict.INCONCLUSIVE
    while verdict is Verdict.INCONCLUSIVE and repeats < MAX_REPEATS:
        repeats += 1
        samples += device.fresh_samples(engine, feeds, options, seconds=SECONDS, processes=PROCESSES)
        every = np.concatenate(samples)
        if limit_ms is None:
            within, verdict = every.size, Verdict.MET
        else:
            within = int((every <= limit_ms * 1e6).sum())
            verdict = judge(within, every.size, percentile=budget.percentile)
    low, high = share_bounds(within, every.size)
    return LatencyResult(
        summary=summarise(samples),
        limit_ms=limit_ms,
        share_within=within / every.size,
        share_low=low,
        share_high=high,
        repeats=repeats,
        seconds=float(every.sum()) / 1e9,
        verdict=verdict,
    )
