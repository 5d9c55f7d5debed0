"""Records to JSON and back; what a damaged file says; content hashes."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import SchemaError
from records.examples import example, record_kinds

from compressor.errors import InputError
from compressor.records.architecture import Architecture, Layer, OpKey, Precision
from compressor.records.latency import CompileOptions, LatencySummary, LatencyTable, Measured
from compressor.records.promise import Workload
from compressor.records.results import Manifest, Report
from compressor.records.serial import digest, from_dict, from_json, load, save, to_dict, to_json

KINDS = record_kinds()
WORKLOAD = Workload(batch=1, sequence_length=32, threads=2)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("variant", [0, 1])
def test_round_trip(kind: type, variant: int, tmp_path: Path) -> None:
    record = example(kind, variant)
    assert from_json(kind, to_json(record)) == record
    assert from_json(kind, to_json(record, indent=None)) == record
    assert from_dict(kind, to_dict(record)) == record
    save(record, tmp_path / "record.json")
    again = load(kind, tmp_path / "record.json")
    assert again == record
    assert [type(getattr(again, f.name)) for f in fields(kind)] == [
        type(getattr(record, f.name)) for f in fields(kind)
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_nested_types_come_back_as_they_were() -> None:
    report = from_json(Report, to_json(example(Report)))
    assert isinstance(report.architecture.layers, tuple)
    assert isinstance(report.architecture.layers[0], Layer)
    assert isinstance(report.precision, Precision)
    assert report.lengths == example(Report).lengths
    assert isinstance(from_json(Manifest, to_json(example(Manifest))).files, dict)


def test_optional_fields_may_be_absent_or_null() -> None:
    assert from_dict(CompileOptions, {"threads": 2}) == CompileOptions(2)
    summary = LatencySummary(1.0, 2.0, 3.0, 4.0, 5, 6, None)
    assert from_json(LatencySummary, to_json(summary)) == summary


def test_a_whole_number_is_a_float_too() -> None:
    assert from_dict(Measured, {"value_us": 3, "standard_error_us": 0, "samples": 1}) == Measured(3.0, 0.0, 1)


def test_a_lookup_leaves_no_trace_in_the_file() -> None:
    table = example(LatencyTable)
    before = to_json(table)
    table.entry(table.entries[0].op)
    assert to_json(table) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"schema": 2},
            "expected Workload of schema 1, found Workload of schema 2; it was written by another version",
        ),
        ({"schema": None}, "found Workload of schema None"),
        ({"record": "Budget"}, "expected Workload of schema 1, found Budget"),
        ({"batch": "one"}, r"x\.json is not a valid Workload: batch: "),
        ({"batch": "1"}, "batch: Input should be a valid integer"),
        ({"batch": True}, "batch: Input should be a valid integer"),
        ({"threads": 1.5}, "threads: "),
        ({"sequence_length": None}, "sequence_length: "),
        ({"sequence_lenght": 3}, "it has no field sequence_lenght"),
        ({"sequence_length": 0}, "--sequence-length: expected at least 1, got 0"),
    ],
)
def test_a_changed_document_is_refused(change: dict[str, Any], message: str) -> None:
    text = json.dumps({**json.loads(to_json(WORKLOAD)), **change})
    with pytest.raises(InputError, match=message):
        from_json(Workload, text, where="x.json")


def test_every_missing_field_is_named() -> None:
    with pytest.raises(InputError, match=r"batch: .*; threads: "):
        from_dict(Workload, {"sequence_length": 8})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("architecture", "layers", 1, "heads"), "x", r"architecture\.layers\.1\.heads: "),
        (("architecture", "activation"), "silu", r"architecture\.activation: .*'gelu'"),
        (("verification", "verdict"), "perhaps", r"verification\.verdict: "),
        (("options", "optimize"), False, r"it has no field options\.optimize"),
        (("stages", 0, "hours"), 1, r"it has no field stages\.0\.hours"),
        (("lengths", "p95"), "long", r"lengths\.p95: "),
    ],
)
def test_a_nested_fault_is_named_by_its_path(path: tuple[Any, ...], value: Any, message: str) -> None:
    document = to_dict(example(Report))
    inner: Any = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(InputError, match=message):
        from_dict(Report, document)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (to_json(WORKLOAD)[:-10].encode(), "is not JSON .*was it cut off"),
        (b"", "is not JSON .*was it cut off"),
        (b"[1, 2]", "expected a JSON object, found list"),
        (b"\xff\xfe\x00", "is not JSON .*was it damaged"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"w\.json.*{message}"):
        load(Workload, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.json: No such file"):
        load(Workload, tmp_path / "gone.json")


def test_save_replaces_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    save(WORKLOAD, path)
    save(replace(WORKLOAD, batch=7), path)
    assert load(Workload, path).batch == 7


@pytest.mark.parametrize("value", [WORKLOAD.__class__, {"batch": 1}, 3])
def test_only_records_are_written(value: object) -> None:
    with pytest.raises(TypeError, match="expected a record"):
        to_dict(value)


def test_a_number_that_json_does_not_have_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json(Measured(float("nan"), 0.0, 1))


def test_digest_is_the_same_in_another_process() -> None:
    script = (
        "from compressor.records.architecture import *\nfrom compressor.records.serial import digest\n"
        "op = OpKey('attention', 4, 384, 32, '', Precision.INT8, True)\n"
        "print(digest(op, {'b': [1, 2.5], 'a': 'é'}, 7))"
    )
    op = OpKey("attention", 4, 384, 32, "", Precision.INT8, True)
    here = digest(op, {"a": "é", "b": [1, 2.5]}, 7)
    for seed in ("1", "2"):  # of Python's string hash
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == here
    assert len(here) == 16
    assert set(here) <= set("0123456789abcdef")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_digest_depends_on_every_field(kind: type) -> None:
    record, other = example(kind, 0), example(kind, 1)
    different = [f.name for f in fields(kind) if getattr(record, f.name) != getattr(other, f.name)]
    assert set(different) >= {f.name for f in fields(kind)} - {"kind"}  # a task has one kind only
    digests = {digest(replace(record, **{name: getattr(other, name)})) for name in different}
    assert len(digests | {digest(record)}) == len(different) + 1


def test_digest_depends_on_the_parts_and_their_order() -> None:
    assert len({digest(1, 2), digest(2, 1), digest(1), digest([1, 2]), digest("1", "2")}) == 5


def test_architecture_has_a_hash() -> None:
    assert len({example(Architecture), example(Architecture), example(Architecture, 1)}) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Error building validator:\n  KeyboardInterrupt: ", KeyboardInterrupt),
        ("Error building validator", SchemaError),
    ],
)
def test_ctrl_c_while_a_validator_is_built_is_ctrl_c_and_no_other_error_is(
    text: str, expected: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pydantic

    def failing(kind: type) -> None:
        raise SchemaError(text)

    monkeypatch.setattr(pydantic, "TypeAdapter", failing)
    with pytest.raises(expected):
        from_dict(type(expected.__name__ + "Seen", (), {}), {})
