"""What an engine takes at other shapes than the promised one: the lengths of real rows, padded or not, and batches."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.records.bench import BatchLatency, LengthLatency
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes.base import Device, Feeds
from compressor.runtimes.samples import Samples, all_times
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.tokens import Tokens

BATCHES = (1, 2, 4, 8, 16, 32)
# Upper ends of the buckets of lengths, as percentiles of the rows: finer where inputs are long and rare.
BUCKETS = (50.0, 75.0, 90.0, 99.0, 100.0)
ROWS_PER_BUCKET = 16

Measure = Callable[[Sequence[Feeds], float, int], list[Samples]]


def measure_of(device: Device, engine: Path, options: CompileOptions) -> Measure:
    """(feeds, seconds, processes) -> samples of that engine in fresh processes."""

    def measure(feeds: Sequence[Feeds], seconds: float, processes: int) -> list[Samples]:
        return device.fresh_samples(engine, feeds, options, seconds=seconds, processes=processes)

    return measure


def length_latencies(
    measure: Measure, tokens: Tokens, pad_id: int, *, seconds: float, longest_run_s: float
) -> Iterator[LengthLatency]:
    """Buckets of rows of similar length, one row at a time: as long as it is, and padded to the longest of its bucket.

    Args:
        measure: The engine.
        tokens: Of the evaluation data.
        pad_id: Token id that fills rows up.
        seconds: For each of the two of each bucket, or 64 runs where those take longer.
        longest_run_s: A bucket whose runs take longer than this ends the series.
    """
    for rows in length_buckets(tokens.lengths):
        found = _bucket(measure, tokens, rows, pad_id, seconds)
        yield found
        if found.padded_p50_ms > 1e3 * longest_run_s:
            return


def length_buckets(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Row numbers in buckets of rising length; rows of equal length share one, and none is empty."""
    ends = np.unique(np.percentile(lengths, BUCKETS, method="inverted_cdf"))
    of_row = np.searchsorted(ends, lengths)
    return [np.flatnonzero(of_row == bucket) for bucket in range(len(ends))]


def _bucket(measure: Measure, tokens: Tokens, rows: NDArray[np.int64], pad_id: int, seconds: float) -> LengthLatency:
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), ROWS_PER_BUCKET)).astype(np.int64)]
    longest = rows[np.argmax(tokens.lengths[rows])]
    exact = all_times(measure([tokens.padded([row], pad_id) for row in chosen], seconds, 1))
    padded = all_times(measure([_first(tokens.padded([row, longest], pad_id)) for row in chosen], seconds, 1))
    p50, p95 = np.percentile(exact, [50, 95]) / 1e6
    found = tokens.lengths[rows]
    return LengthLatency(
        shortest=int(found.min()),
        longest=int(found.max()),
        share=len(rows) / len(tokens),
        p50_ms=float(p50),
        p95_ms=float(p95),
        padded_p50_ms=float(np.median(padded)) / 1e6,
    )


def _first(batch: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    return {name: value[:1] for name, value in batch.items()}


def batch_latencies(
    measure: Measure, tokens: Tokens, workload: Workload, *, seconds: float, longest_run_s: float
) -> Iterator[BatchLatency]:
    """Batches of 1 to 32 at the workload's length.

    Args:
        measure: The engine.
        tokens: Of the evaluation data.
        workload: Names the length.
        seconds: For each batch, or 64 runs where those take longer.
        longest_run_s: A batch whose runs will take longer than this ends the series.
    """
    for batch in BATCHES:
        shape = Workload(batch, workload.sequence_length, workload.threads)
        found = _batch(all_times(measure(workload_feeds(tokens, shape), seconds, 1)), batch)
        yield found
        if 2 * found.p50_ms > 1e3 * longest_run_s:
            return


def _batch(times: NDArray[np.int64], batch: int) -> BatchLatency:
    p50, p95 = np.percentile(times, [50, 95]) / 1e6
    return BatchLatency(batch, float(p50), float(p95), rows_per_second(times, batch))


def rows_per_second(times: NDArray[np.int64], batch: int) -> float:
    """Throughput of consecutive runs that took these nanoseconds."""
    return batch * times.size / (float(times.sum()) / 1e9)
