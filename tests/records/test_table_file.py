"""The portable file of tables as a record: its own border check."""

from dataclasses import replace

import pytest
from made_up_tables import MACHINE, conditions, made_up_table
from records.examples import example

from compressor.errors import BorderError
from compressor.records.profile import DeviceFingerprint
from compressor.records.serial import from_json, to_json
from compressor.records.table_file import TableFile, check_table_file

FILE = TableFile("0.1.0", "2026-11-21", 2, MACHINE, (made_up_table(),))


def test_a_good_file_passes_and_survives_json() -> None:
    assert check_table_file(FILE) is FILE
    assert check_table_file(from_json(TableFile, to_json(FILE))) == FILE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"created": "21.11.2026"}, "`created` should be a date such as 2026-11-21, found '21.11.2026'"),
        ({"tables": ()}, "expected at least one latency table, found none"),
        ({"tables": (made_up_table(source="estimated"),)}, "found one that is estimated"),
        ({"tables": (made_up_table(conditions("another")),)}, "a table of the device another stands under"),
        ({"device": replace(MACHINE, usable_cores=0)}, "usable_cores should be between 1"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BorderError, match=message):
        check_table_file(replace(FILE, **changes))  # type: ignore[arg-type]


def test_what_is_comparable_decides_the_key_and_nothing_else() -> None:
    one, other = (example(DeviceFingerprint, variant) for variant in (0, 1))
    assert one.key == replace(one, memory_bytes=other.memory_bytes).key
    assert "memory_bytes" not in one.comparable
    for name in one.comparable:
        changed = replace(one, **{name: getattr(other, name)})
        assert (changed.comparable[name] != one.comparable[name]) == (changed.key != one.key), name
