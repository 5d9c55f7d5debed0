"""All measurements of a bundle, on its own evaluation data and in fresh processes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from compressor.bench.cold import fresh_starts
from compressor.bench.shapes import (
    BATCHES,
    BUCKETS,
    Measure,
    batch_latencies,
    length_latencies,
    measure_of,
    rows_per_second,
)
from compressor.export import EVALUATION, EvaluationData
from compressor.profiles import fingerprint, steadiness_notes
from compressor.records.bench import BenchResult, Latency, Percentile, check_bench
from compressor.records.promise import Workload
from compressor.records.results import Manifest
from compressor.runtimes.base import Device
from compressor.runtimes.samples import Samples, all_times, disturbed_share
from compressor.runtimes.statistics import CONFIDENCE, percentile_bounds
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.tokens import Tokens

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
SECONDS, PROCESSES = 10.0, 5
PART_SECONDS, LONGEST_RUN_S = 1.0, 1.0

Progress = Callable[[float], None]
Part = TypeVar("Part")


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
    measure = measure_of(device, folder / manifest.engine, manifest.options)
    steps = iter(np.linspace(0, 1, 3 + len(BUCKETS) + len(BATCHES))[1:])

    def counted(parts: Iterator[Part]) -> Iterator[Part]:
        for part in parts:
            yield part
            progress(float(next(steps)))

    latency = _latency(measure, tokens, manifest.workload)
    progress(float(next(steps)))
    times = {"seconds": PART_SECONDS, "longest_run_s": LONGEST_RUN_S}
    lengths = tuple(counted(length_latencies(measure, tokens, manifest.pad_id, **times)))
    batches = tuple(counted(batch_latencies(measure, tokens, manifest.workload, **times)))
    cold_start, tokenisation = fresh_starts(folder, manifest, tokens)
    progress(1.0)
    return check_bench(
        BenchResult(
            device=here,
            runtime=device.runtime_of(manifest.options),
            workload=manifest.workload,
            latency=latency,
            lengths=lengths,
            batches=batches,
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
        rows_per_s=rows_per_second(times, workload.batch),
        samples=times.size,
        processes=PROCESSES,
        disturbed_share=disturbed_share(samples),
    )


def _percentile(samples: Sequence[Samples], percent: float) -> Percentile:
    bounds = percentile_bounds([found.times for found in samples], percent)
    low, high = (None if bound is None else bound / 1e6 for bound in bounds)
    return Percentile(percent, float(np.percentile(all_times(samples), percent)) / 1e6, low, high)
