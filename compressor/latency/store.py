"""Latency tables that were measured before, on disk: one file each, named by everything that it holds for.

    tables/0123456789abcdef.json = digest of device, runtime, teacher, precision, options, workload and method

A file that cannot be used is not an error, since the table can be measured anew; a folder that cannot be written to is
none either, since the table at hand is good. Both are said.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import BorderError, InputError
from compressor.latency.building import METHOD
from compressor.latency.coverage import check_coverage
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions, LatencyTable, check_table
from compressor.records.promise import Workload
from compressor.records.serial import digest, load, save

TABLES = "tables"  # folder in the cache
# Of the ops: with more that were measured on a disturbed machine, a table is good for its own run at best.
DISTURBED_SHARE = 0.1


@dataclass(frozen=True)
class TableConditions:
    """Everything that a measured table holds for.

    Attributes:
        device: Key of the device's fingerprint.
        runtime: Name and version of the runtime.
        teacher: Shape whose cuts are covered.
        precision: Of all ops.
        options: Compile options of every graph.
        workload: Shape of the inputs.
    """

    device: str
    runtime: str
    teacher: Architecture
    precision: Precision
    options: CompileOptions
    workload: Workload

    @classmethod
    def of(cls, table: LatencyTable) -> "TableConditions":
        """Those of a table."""
        return cls(table.device, table.runtime, table.teacher, table.precision, table.options, table.workload)

    @property
    def key(self) -> str:
        """16 hex digits."""
        return digest(self, METHOD)


def worth_keeping(table: LatencyTable) -> bool:
    """Whether a table is good for other runs than the one that measured it."""
    return table.source == "measured" and table.disturbed_share <= DISTURBED_SHARE


class TableStore:
    """A folder of tables; made when the first one is kept.

    Args:
        folder: Where they are.
        note: Told, in a sentence, what could not be read or written.
    """

    def __init__(self, folder: Path, *, note: Callable[[str], None]) -> None:
        self._folder, self._note = folder, note

    def path(self, conditions: TableConditions) -> Path:
        """Where the table for these conditions is, or would be."""
        return self._folder / f"{conditions.key}.json"

    def find(self, conditions: TableConditions) -> LatencyTable | None:
        """The kept table for exactly these conditions; None where there is none that can be used."""
        path = self.path(conditions)
        if not os.path.exists(path):
            return None
        try:
            table = check_coverage(check_table(load(LatencyTable, path)))
        except (InputError, BorderError) as error:
            self._note(f"the kept latency table {path} cannot be used and is measured anew: {error}")
            return None
        if TableConditions.of(table) != conditions or not worth_keeping(table):
            self._note(f"the kept latency table {path} cannot be used and is measured anew: it is another table")
            return None
        return table

    def find_any(self, conditions: Iterable[TableConditions]) -> LatencyTable | None:
        """The first kept table for one of several conditions; None where there is none that can be used."""
        return next((table for one in conditions if (table := self.find(one)) is not None), None)

    def keep(self, table: LatencyTable) -> bool:
        """Keep a measured table for later runs; False, and a note, where that cannot be."""
        path = self.path(TableConditions.of(table))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save(table, path)
        except OSError as error:
            self._note(
                f"the latency table is not kept for other runs: expected a folder that can be written to, cannot "
                f"write {path}: {error.strerror}; name another place with XDG_CACHE_HOME"
            )
            return False
        return True
