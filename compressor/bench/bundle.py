"""All measurements of a bundle, on its own evaluation data and in fresh processes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.bench.cold import fresh_starts
from compressor.export import EVALUATION, EvaluationData
from compressor.profiles import fingerprint, steadiness_notes
from compressor.records.bench import (
    BatchLatency,
    BenchResult,
    Latency,
    LengthLatency,
    Percentile,
    check_bench,
)
from compressor.records.promise import Workload
from compressor.records.results import Manifest
from compressor.runtimes.base import Device, Feeds
from compressor.runtimes.samples import Samples, all_times, disturbed_share
from compressor.runtimes.statistics import CONFIDENCE, percentile_bounds
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.tokens import Tokens

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
SECONDS, PROCESSES = 10.0, 5
PART_SECONDS = 1.0
BATCHES = (1, 2, 4, 8, 16, 32)
# Upper ends of the buckets of lengths, as percentiles of the rows: finer where inputs are long and rare.
BUCKETS = (50.0, 75.0, 90.0, 99.0, 100.0)
ROWS_PER_BUCKET = 16

Measure = Callable[[Sequence[Feeds], float, int], list[Samples]]
Progress = Callable[[float], None]


def bench_bundle(folder: Path, manifest: Manifest, device: Device, *, progress: Progress) -> BenchResult:
    """Measure a bundle.

    Args:
        folder: Of the bundle.
        manifest: Its manifest, checked.
        device: What the engine runs on.
        progress: Called with the share that is done.

    Raises:
        InputError: The evaluation data cannot be read.
        ResourceError: A process was killed.
        UnavailableError: A process failed.
    """
    here = fingerprint()
    tokens = EvaluationData.load(folder / EVALUATION).tokens
    steps = iter(np.linspace(0, 1, 3 + len(BATCHES))[1:])

    def measure(feeds: Sequence[Feeds], seconds: float, processes: int) -> list[Samples]:
        return device.fresh_samples(
            folder / manifest.engine, feeds, manifest.options, seconds=seconds, processes=processes
        )

    latency = _latency(measure, tokens, manifest.workload)
    progress(float(next(steps)))
    lengths = _lengths(measure, tokens, manifest.pad_id)
    batches = []
    for batch in BATCHES:
        progress(float(next(steps)))
        batches.append(_batch(measure, tokens, manifest.workload, batch))
    cold_start, tokenisation = fresh_starts(folder, manifest, tokens)
    progress(float(next(steps)))
    return check_bench(
        BenchResult(
            device=here,
            runtime=device.runtime,
            workload=manifest.workload,
            latency=latency,
            lengths=lengths,
            batches=tuple(batches),
            cold_start=cold_start,
            tokenisation=tokenisation,
            notes=steadiness_notes(here),
        )
    )


def _latency(measure: Measure, tokens: Tokens, workload: Workload) -> Latency:
    samples = measure(workload_feeds(tokens, workload), SECONDS, PROCESSES)
    times = all_times(samples)
    return Latency(
        percentiles=tuple(_percentile(samples, percent) for percent in PERCENTILES),
        confidence=CONFIDENCE,
        rows_per_s=_rows_per_s(times, workload.batch),
        samples=times.size,
        processes=PROCESSES,
        disturbed_share=disturbed_share(samples),
    )


def _percentile(samples: Sequence[Samples], percent: float) -> Percentile:
    bounds = percentile_bounds([found.times for found in samples], percent)
    low, high = (None if bound is None else bound / 1e6 for bound in bounds)
    return Percentile(percent, float(np.percentile(all_times(samples), percent)) / 1e6, low, high)


def _lengths(measure: Measure, tokens: Tokens, pad_id: int) -> tuple[LengthLatency, ...]:
    return tuple(_bucket(measure, tokens, rows, pad_id) for rows in length_buckets(tokens.lengths))


def length_buckets(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Row numbers in buckets of rising length; rows of equal length share one, and none is empty."""
    ends = np.unique(np.percentile(lengths, BUCKETS, method="inverted_cdf"))
    of_row = np.searchsorted(ends, lengths)
    return [np.flatnonzero(of_row == bucket) for bucket in range(len(ends))]


def _bucket(measure: Measure, tokens: Tokens, rows: NDArray[np.int64], pad_id: int) -> LengthLatency:
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), ROWS_PER_BUCKET)).astype(np.int64)]
    times = all_times(measure([tokens.padded([row], pad_id) for row in chosen], PART_SECONDS, 1))
    p50, p95 = np.percentile(times, [50, 95]) / 1e6
    found = tokens.lengths[rows]
    return LengthLatency(int(found.min()), int(found.max()), len(rows) / len(tokens), float(p50), float(p95))


def _batch(measure: Measure, tokens: Tokens, workload: Workload, batch: int) -> BatchLatency:
    shape = Workload(batch, workload.sequence_length, workload.threads)
    times = all_times(measure(workload_feeds(tokens, shape), PART_SECONDS, 1))
    p50, p95 = np.percentile(times, [50, 95]) / 1e6
    return BatchLatency(batch, float(p50), float(p95), _rows_per_s(times, batch))


def _rows_per_s(times: NDArray[np.int64], batch: int) -> float:
    return batch * times.size / (float(times.sum()) / 1e9)
