"""Whether a table has all that a search may ask it for."""

from compressor.latency.candidates import candidate_ops
from compressor.records.latency import LatencyTable


def check_coverage(table: LatencyTable) -> LatencyTable:
    """Refuse a table that lacks an op of its teacher's space.

    Raises:
        InputError: A candidate has no entry, and lies between no two of them; the message names it.
    """
    for op in candidate_ops(table.teacher, table.precision):
        table.entry(op)
    return table
