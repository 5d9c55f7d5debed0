"""The store of latency tables: what is found, what is measured anew, and what is left when writing fails."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from made_up_tables import TEACHER, conditions, made_up_table
from tiny_models import tiny

from compressor.latency import store as store_module
from compressor.latency.store import DISTURBED_SHARE, TableConditions, TableStore, worth_keeping
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.promise import Workload
from compressor.records.serial import load, save

CONDITIONS = conditions()
TABLE = made_up_table()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, notes: list[str]) -> TableStore:
    return TableStore(tmp_path / "tables", note=notes.append)


def test_what_was_kept_is_found_again(store: TableStore, notes: list[str]) -> None:
    assert store.find(CONDITIONS) is None
    assert store.keep(TABLE)
    assert store.find(CONDITIONS) == TABLE
    assert store.keep(replace(TABLE, seconds=9.0))
    assert store.find(CONDITIONS) == replace(TABLE, seconds=9.0)
    assert notes == []
    assert [path.name for path in store.path(CONDITIONS).parent.iterdir()] == [store.path(CONDITIONS).name]


OTHER = TableConditions(
    device="another",
    runtime="fake 2",
    teacher=tiny((3, 48)),
    precision=Precision.INT8,
    options=CompileOptions(1, ("SkipLayerNormFusion",)),
    workload=Workload(batch=1, sequence_length=16, threads=1),
)


@pytest.mark.parametrize("name", [field.name for field in fields(TableConditions)])
def test_under_another_condition_nothing_is_found(store: TableStore, notes: list[str], name: str) -> None:
    store.keep(TABLE)
    assert store.find(replace(CONDITIONS, **{name: getattr(OTHER, name)})) is None
    assert notes == []


def test_tables_of_another_measuring_method_are_not_found(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    store.keep(TABLE)
    monkeypatch.setattr(store_module, "METHOD", store_module.METHOD + 1)
    assert store.find(CONDITIONS) is None
    assert notes == []


def lacking(table: LatencyTable) -> LatencyTable:
    return replace(table, entries=table.entries[1:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON .*was it cut off"),
        (b'{"schema": 1, "record": "LatencyTable", "device"', "is not JSON .*was it cut off"),
        (b"\xff\xfe", "is not JSON .*was it damaged"),
        (b"[]", "expected a JSON object, found list"),
        (b'{"schema": 1, "record": "Workload"}', "expected LatencyTable of schema 1, found Workload"),
        (b'{"schema": 7, "record": "LatencyTable"}', "found LatencyTable of schema 7"),
    ],
)
def test_a_damaged_file_is_measured_anew_and_replaced(
    store: TableStore, notes: list[str], content: bytes, message: str
) -> None:
    store.keep(TABLE)
    store.path(CONDITIONS).write_bytes(content)
    assert store.find(CONDITIONS) is None
    assert len(notes) == 1
    assert re.search(rf"the kept latency table .* cannot be used and is measured anew: .*{message}", notes[0])
    store.keep(TABLE)
    assert store.find(CONDITIONS) == TABLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lacking, "has no entry for `stem of 16, fp32, first token`"),
        (lambda table: replace(table, precision=Precision.INT8), "has no entry for `stem of 16, int8, first token`"),
        (lambda table: replace(table, device="another"), "it is another table"),
        (lambda table: replace(table, source="estimated"), "it is another table"),
    ],
)
def test_a_file_with_another_table_is_measured_anew(
    store: TableStore, notes: list[str], change: object, message: str
) -> None:
    store.keep(TABLE)
    save(change(TABLE), store.path(CONDITIONS))  # type: ignore[operator]
    assert store.find(CONDITIONS) is None
    assert "measured anew" in notes[0]
    assert message in notes[0]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1.0"])
def test_a_cost_that_is_no_time_is_measured_anew(store: TableStore, notes: list[str], number: str) -> None:
    store.keep(TABLE)
    document = json.loads(store.path(CONDITIONS).read_text())
    document["entries"][0]["cached"]["value_us"] = "COST"
    store.path(CONDITIONS).write_text(json.dumps(document).replace('"COST"', number))
    assert store.find(CONDITIONS) is None
    assert "the cost of `stem of 16, fp32, first token` must be finite, at least 0" in notes[0]


def test_a_folder_that_cannot_be_written_to_is_worked_without(tmp_path: Path, notes: list[str]) -> None:
    (tmp_path / "tables").write_text("a file stands here")
    store = TableStore(tmp_path / "tables", note=notes.append)
    assert store.find(CONDITIONS) is None
    assert not store.keep(TABLE)
    assert len(notes) == 1
    assert "is not kept for other runs: expected a folder that can be written to" in notes[0]
    assert "File exists; name another place with XDG_CACHE_HOME" in notes[0]
    assert (tmp_path / "tables").read_text() == "a file stands here"


def test_a_write_that_fails_leaves_what_was_there(
    store: TableStore, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.keep(TABLE)
    write = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        write(path, text[:100], **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert not store.keep(replace(TABLE, seconds=9.0))
    assert "No space left on device" in notes[0]
    assert store.find(CONDITIONS) == TABLE
    assert len(list(store.path(CONDITIONS).parent.iterdir())) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from compressor.records.latency import LatencyTable
from compressor.records.serial import load
from compressor.latency.store import TableStore

Path.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
TableStore(Path(sys.argv[1]), note=print).keep(load(LatencyTable, Path(sys.argv[2])))
"""


@pytest.mark.parametrize("first", [True, False], ids=["nothing there", "a table there"])
def test_a_process_killed_between_write_and_rename_leaves_no_half_of_a_table(
    store: TableStore, notes: list[str], tmp_path: Path, checkout: Path, first: bool
) -> None:
    if not first:
        store.keep(TABLE)
    save(replace(TABLE, seconds=9.0), tmp_path / "new.json")
    script = [sys.executable, "-c", KILLED, str(tmp_path / "tables"), str(tmp_path / "new.json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(tmp_path.glob("tables/*.partial"))) == 1
    assert store.find(CONDITIONS) == (None if first else TABLE)
    assert notes == []
    store.keep(TABLE)
    assert load(LatencyTable, store.path(CONDITIONS)) == TABLE


def test_what_is_worth_keeping() -> None:
    assert worth_keeping(TABLE)
    assert worth_keeping(replace(TABLE, disturbed_share=DISTURBED_SHARE))
    assert not worth_keeping(replace(TABLE, disturbed_share=DISTURBED_SHARE + 0.01))
    assert not worth_keeping(replace(TABLE, source="estimated"))


def test_the_conditions_are_those_of_the_table() -> None:
    assert TableConditions.of(TABLE) == CONDITIONS
    assert CONDITIONS.teacher is TEACHER
