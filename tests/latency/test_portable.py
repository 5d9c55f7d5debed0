"""Tables to a file and back: onto the same machine as they were, onto any other with the field that differs."""

import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_tables import MACHINE, RUNTIME, conditions, made_up_table

from compressor.errors import BorderError, InputError, UnavailableError
from compressor.latency import METHOD
from compressor.latency.portable import check_export, export_tables, import_tables
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions

TABLES = tuple(made_up_table(conditions(precision=precision)) for precision in Precision)
TODAY = datetime.date(2026, 11, 21)


def here(options: CompileOptions) -> str:
    """The runtime of this machine, however a graph is compiled."""
    del options
    return RUNTIME


@pytest.fixture
def file(tmp_path: Path) -> Path:
    export_tables(tmp_path / "tables.json", TABLES, MACHINE, today=TODAY)
    return tmp_path / "tables.json"


def test_on_a_machine_of_the_same_fingerprint_the_tables_are_as_they_were(file: Path) -> None:
    assert import_tables(file, MACHINE, here) == TABLES
    twin = replace(MACHINE, memory_bytes=1, operating_system="Linux 7.0")  # neither decides how fast it is
    assert import_tables(file, twin, here) == TABLES


def test_the_file_says_its_schema_units_and_where_it_comes_from(file: Path) -> None:
    document = json.loads(file.read_text())
    assert {"schema", "record", "compressor", "created", "method", "device", "tables"} == set(document)
    assert (document["schema"], document["record"], document["created"]) == (1, "TableFile", "2026-11-21")
    assert document["device"]["model"] == "Pocket 100"
    assert set(document["tables"][0]["entries"][0]["cached"]) == {"value_us", "standard_error_us", "samples"}
    assert document["tables"][0]["source"] == "measured"


@pytest.mark.parametrize(
    ("field", "here", "message"),
    [
        ("governor", "powersave", "governor 'powersave' here, 'performance' in the file"),
        ("model", "Pocket 200", "model 'Pocket 200' here, 'Pocket 100' in the file"),
        ("usable_cores", 2, "usable_cores 2 here, 4 in the file"),
        ("smt", None, "smt None here, True in the file"),
        ("flags", ("avx",), r"flags \['avx'\] here, \['avx', 'avx2'\] in the file"),
        ("operating_system", "Darwin 25.0", "operating_system 'Darwin' here, 'Linux' in the file"),
    ],
)
def test_a_field_of_the_fingerprint_that_differs_is_named(file: Path, field: str, here: Any, message: str) -> None:
    other = replace(MACHINE, **{field: here})
    with pytest.raises(
        InputError, match=rf"--import: the tables in .*tables\.json do not hold here: {message}\. Leave"
    ):
        import_tables(file, other, here)


def test_all_differences_are_named_at_once(file: Path) -> None:
    other = replace(MACHINE, governor=None, usable_cores=1)
    with pytest.raises(
        InputError, match=r"usable_cores 1 here.*; governor None here.*; runtime 'fake 2' here, 'fake 1'"
    ):
        import_tables(file, other, lambda options: "fake 2")


def test_another_measuring_method_is_named(file: Path) -> None:
    changed(file, lambda document: document.update(method=document["method"] - 1))
    with pytest.raises(InputError, match=f"measuring method '{METHOD}' here, '{METHOD - 1}' in the file"):
        import_tables(file, MACHINE, here)


def changed(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def cost(number: object, field: str = "value_us") -> Callable[[dict[str, Any]], object]:
    return lambda document: document["tables"][1]["entries"][2]["uncached"].update({field: number})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=2), "expected TableFile of schema 1, found TableFile of schema 2"),
        (lambda d: d.update(record="LatencyTable"), "expected TableFile of schema 1, found LatencyTable"),
        (lambda d: d.pop("device"), r"is not a valid TableFile: device: "),
        (lambda d: d.update(created="yesterday"), "`created` should be a date such as 2026-11-21, found 'yesterday'"),
        (lambda d: d.update(tables=[]), "expected at least one latency table, found none"),
        (
            lambda d: d["tables"][0]["entries"].pop(),
            "has no entry for `feed_forward .*, fp32, first token`; it covers",
        ),
        (lambda d: d["tables"][0]["entries"].append(d["tables"][0]["entries"][0]), "has an op twice"),
        (lambda d: d["tables"][0].update(source="estimated"), "only measured tables .*, found one that is estimated"),
        (lambda d: d["tables"][0].update(disturbed_share=0.5), "a table of a machine that was never quiet"),
        (lambda d: d["tables"][0].update(device="0" * 16), "a table of the device 0000000000000000 stands under"),
        (lambda d: d["device"].update(governor="powersave"), "stands under"),
        (lambda d: d["device"].update(usable_cores=9), "usable_cores should be between 1 and logical_cores"),
        (lambda d: d["tables"][0]["teacher"].update(hidden=0), "every size of an architecture must be at least 1"),
        (lambda d: d["tables"][0]["workload"].update(batch=0), "--batch: expected at least 1, got 0"),
        (lambda d: d["tables"][0]["calibration"].update(scale=float("nan")), "calibration"),
        (lambda d: d["tables"][0]["calibration"].update(error_share=float("nan")), "calibration, .* must be finite"),
        (cost(float("nan")), "the cost of `attention .*, int8` must be finite, at least 0 and with samples"),
        (cost(float("inf")), "must be finite, at least 0"),
        (cost(-0.1), "must be finite, at least 0"),
        (cost(-0.1, "standard_error_us"), "must be finite, at least 0"),
        (cost(0, "samples"), "with samples"),
        (cost("fast"), r"tables\.1\.entries\.2\.uncached\.value_us: "),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    file: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    changed(file, change)
    with pytest.raises(InputError, match=rf"--import: .*tables\.json.*{message}"):
        import_tables(file, MACHINE, here)


@pytest.mark.parametrize("keep", [0, 1, 2, 100, 5000])
def test_a_file_that_was_cut_off_is_refused(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"--import: .*tables\.json is not JSON .*was it cut off"):
        import_tables(file, MACHINE, here)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--import: .*cannot read .*gone\.json: No such file"):
        import_tables(tmp_path / "gone.json", MACHINE, here)


def test_an_estimated_table_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises((BorderError, UnavailableError)):
        export_tables(tmp_path / "t.json", [made_up_table(source="estimated")], MACHINE, today=TODAY)
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_a_noisy_machine_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="--export: nothing is written, because this machine was never quiet"):
        export_tables(tmp_path / "t.json", [*TABLES, made_up_table(disturbed_share=0.5)], MACHINE, today=TODAY)
    assert list(tmp_path.iterdir()) == []


def test_places_that_nothing_can_be_written_to_are_refused(tmp_path: Path) -> None:
    check_export(tmp_path / "new.json")
    with pytest.raises(InputError, match=r"--export: expected the name of a file.*found a folder"):
        check_export(tmp_path)
    with pytest.raises(InputError, match=r"--export: .*found no folder .*gone"):
        check_export(tmp_path / "gone" / "t.json")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"--export: cannot write .*Not a directory; give another place"):
        export_tables(tmp_path / "file" / "t.json", TABLES, MACHINE, today=TODAY)
