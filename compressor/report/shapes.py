"""Lengths and batches in words."""

from compressor.records.bench import BatchLatency, LengthLatency
from compressor.records.units import format_ms

LENGTHS_HEADER = ("tokens", "rows", "p50", "p95", "p50, padded to the longest")
BATCHES_HEADER = ("batch", "p50", "p95", "rows/s")


def length_cells(part: LengthLatency) -> tuple[str, ...]:
    """A row of the table, in the order of `LENGTHS_HEADER`."""
    times = (format_ms(ms) for ms in (part.p50_ms, part.p95_ms, part.padded_p50_ms))
    return (f"{part.shortest} - {part.longest}", f"{100 * part.share:.1f} %", *times)


def batch_cells(found: BatchLatency) -> tuple[str, ...]:
    """A row of the table, in the order of `BATCHES_HEADER`."""
    return (str(found.batch), format_ms(found.p50_ms), format_ms(found.p95_ms), f"{found.rows_per_s:.0f}")
