"""Latency tables in a file that can be carried to another machine of the same fingerprint.

{"schema": 1, "record": "TableFile", "compressor": "0.1.0", "created": "2026-11-21", "method": 2,
 "device": {"model": ..., "governor": "performance", ...},
 "tables": [{"runtime": ..., "entries": [{"op": ..., "cached": {"value_us": 41.2, "standard_error_us": 0.2, ...}}]}]}
"""

import datetime
import math
from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.architecture import check_architecture
from compressor.records.latency import LatencyTable, check_table
from compressor.records.profile import DeviceFingerprint, check_fingerprint


@dataclass(frozen=True)
class TableFile:
    """Measured tables and where they come from.

    Attributes:
        compressor: Version that wrote the file.
        created: Date, as in ISO 8601: "2026-11-21".
        method: Version of the method that measured the tables.
        device: The machine that they were measured on.
        tables: At least one.
    """

    compressor: str
    created: str
    method: int
    device: DeviceFingerprint
    tables: tuple[LatencyTable, ...]


def check_table_file(file: TableFile) -> TableFile:
    """Border check: a date, a sane device, and tables that were measured on it.

    Raises:
        BorderError: The message names what is wrong.
    """
    try:
        datetime.date.fromisoformat(file.created)
    except ValueError as error:
        raise BorderError(f"`created` should be a date such as 2026-11-21, found {file.created!r}") from error
    check_fingerprint(file.device)
    if not file.tables:
        raise BorderError("expected at least one latency table, found none")
    for table in file.tables:
        check_architecture(table.teacher)
        check_table(table)
        numbers = (table.calibration.scale, table.calibration.error_share, table.disturbed_share, table.seconds)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise BorderError(
                f"calibration, disturbed share and seconds must be finite and at least 0, found {numbers}"
            )
        if table.source != "measured":
            raise BorderError(
                f"only measured tables may be carried to another machine, found one that is {table.source}"
            )
        if table.device != file.device.key:
            raise BorderError(f"a table of the device {table.device} stands under that with the key {file.device.key}")
    return file
