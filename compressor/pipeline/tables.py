"""A latency table is measured, and kept for later runs unless the machine was never quiet."""

from compressor.latency import measure_table
from compressor.latency.store import TableConditions, TableStore, worth_keeping
from compressor.records.latency import LatencyTable
from compressor.records.observer import Observer
from compressor.runtimes import Device


def measured_table(device: Device, conditions: TableConditions, store: TableStore, observer: Observer) -> LatencyTable:
    """Measure a table now.

    Args:
        device: Where.
        conditions: What it is to hold for.
        store: Keeps it.
        observer: Who is told how far it is.
    """
    table = measure_table(
        device,
        conditions.device,
        conditions.teacher,
        conditions.precision,
        conditions.options,
        conditions.workload,
        progress=observer.progress,
    )
    if worth_keeping(table):
        store.keep(table)
    else:
        observer.note(
            f"warning: the machine was never quiet while {100 * table.disturbed_share:.0f} % of the ops were measured "
            "and measured again; their errors are wider, and the table is not kept for other runs"
        )
    return table
