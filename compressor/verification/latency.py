"""The latency promise, measured on the engine file in fresh processes and decided by exact statistics."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.records.latency import CompileOptions
from compressor.records.promise import LOOK_CONFIDENCE, LOOKS, Budget, Verdict, look_seconds
from compressor.records.results import Histogram, LatencyResult
from compressor.runtimes.base import Device, Feeds, Progress
from compressor.runtimes.samples import Samples
from compressor.runtimes.statistics import share_within, summarise

# Of a look: more and longer than the design asks for, so that a neighbour's three bad seconds weigh less; longer still
# where the promised percentile needs it.
PROCESSES = 5
SECONDS = 25.0
MAX_REPEATS = LOOKS - 1
BINS, BEYOND_LIMIT = 60, 1.05  # of the histogram


def seconds_of_look(percentile: float) -> float:
    """How long a promise of that percentile is measured before it is looked at."""
    return max(SECONDS, look_seconds(percentile))


def verify_latency(
    device: Device,
    engine: Path,
    feeds: Sequence[Feeds],
    options: CompileOptions,
    budget: Budget,
    *,
    promised_here: bool = True,
    progress: Progress | None = None,
) -> LatencyResult:
    """Measure until the promise is decided, at most three times; every run counts, of all measurements together.

    Args:
        device: What the engine runs on.
        engine: Its file.
        feeds: Inputs of the promised shape.
        options: What the engine is loaded with.
        budget: Has the limit, if there is one, and the percentile.
        promised_here: The promise is about this device; about another one it is neither kept nor missed by what is
            measured here, once.
        progress: Called with the share that is done of this measurement and those before.
    """
    limit_ms = budget.max_latency_ms
    limit_ns = math.inf if limit_ms is None else limit_ms * 1e6
    seconds = seconds_of_look(budget.percentile)
    samples: list[Samples] = []
    for before in range(MAX_REPEATS + 1):
        samples += device.fresh_samples(
            engine, feeds, options, seconds=seconds, processes=PROCESSES, progress=_behind(before, progress)
        )
        times = [found.times for found in samples]
        within = share_within(times, limit_ns, confidence=LOOK_CONFIDENCE)
        verdict = Verdict.UNVERIFIED if not promised_here else within.verdict(budget.percentile)
        if limit_ms is None:
            verdict = Verdict.MET
        if verdict is not Verdict.INCONCLUSIVE:
            break
    return LatencyResult(
        summary=summarise(samples),
        limit_ms=limit_ms,
        share_within=within.share,
        share_low=within.low,
        share_high=within.high,
        effective_runs=within.effective_runs,
        repeats=len(samples) // PROCESSES - 1,
        seconds=float(sum(found.sum() for found in times)) / 1e9,
        verdict=verdict,
        histogram=histogram(np.concatenate(times), limit_ns),
    )


def _behind(before: int, progress: Progress | None) -> Progress | None:
    """Tells of a measurement behind so many others as part of them all."""
    return None if progress is None else lambda share: progress((before + share) / (before + 1))


def histogram(times: NDArray[np.int64], limit_ns: float) -> Histogram:
    """Bins of equal width from the fastest run to the 99.5th percentile, or to a little beyond the limit.

    Args:
        times: Nanoseconds, [runs].
        limit_ns: Infinite = none.
    """
    low, high = float(times.min()), float(np.percentile(times, 99.5))
    if math.isfinite(limit_ns):
        high = max(high, BEYOND_LIMIT * limit_ns)
    edges = np.linspace(low, max(high, 1.01 * low), BINS + 1)
    counts, _ = np.histogram(times, edges)
    beyond = times.size - int(counts.sum())
    return Histogram(tuple((edges / 1e6).tolist()), tuple(counts.tolist()), beyond)
