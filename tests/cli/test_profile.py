"""`compressor profile`, its tables made up instead of measured."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from made_up_tables import made_up_table

from compressor.latency.store import TableConditions
from compressor.pipeline import profiling, tables
from compressor.records.architecture import Precision
from compressor.records.latency import LatencyTable
from compressor.records.profiling import Profiled
from compressor.records.serial import from_json
from compressor.records.table_file import TableFile
from compressor.runtimes import opening
from compressor.runtimes.fake import FakeDevice


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[TableConditions]:
    """What was measured, in order; every table is made up."""
    asked: list[TableConditions] = []

    def measure(device: Any, *parts: Any, progress: Callable[..., None]) -> LatencyTable:
        asked.append(TableConditions(parts[0], device.runtime, *parts[1:]))
        progress(0.5, "half of it")
        return made_up_table(asked[-1])

    monkeypatch.setattr(tables, "measure_table", measure)
    monkeypatch.setitem(opening.DEVICES, "fake", FakeDevice)
    return asked


@pytest.fixture
def profile(cli: Any, tiny_config: Path, fake_target: Path) -> Callable[..., Any]:
    """`compressor profile` of a tiny teacher on the fake device; flags given later win."""

    def call(*flags: object) -> Any:
        given = {"--teacher": tiny_config, "--target": fake_target, "--sequence-length": "8,16"}
        plain = [str(flag) for flag in flags]
        defaults = [part for name, value in given.items() if name not in plain for part in (name, value)]
        return cli("profile", *defaults, *plain)

    return call


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    """A teacher's folder with nothing but its config.json."""
    folder = tmp_path / "teacher"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(tiny.config()))
    return folder


def document(ended: Any) -> Profiled:
    assert ended.code == 0, ended.err
    return from_json(Profiled, ended.out)


def test_a_table_for_each_length_and_precision_measured_once(
    profile: Any, measured: list[TableConditions], cache: Path
) -> None:
    ended = profile()
    assert ended.code == 0, ended.err
    assert [(c.precision, c.workload.sequence_length) for c in measured] == [
        (precision, length) for length in (8, 16) for precision in (Precision.FP32, Precision.INT8)
    ]
    assert {c.teacher for c in measured} == {tiny.SHAPE}
    assert {c.device for c in measured} == {profiling.fingerprint().key}
    assert ended.out.splitlines()[-4] == "fp32, batch 1, length 8, 1 thread(s): 17 ops, measured in 1.5s"
    assert len(list((cache / "tables").iterdir())) == 4

    again = profile("--sequence-length", "16,8,32")
    assert len(measured) == 6
    assert again.out.count("table: taken from an earlier run") == 4
    assert again.out.count("there already") == 4

    profile("--fresh")
    assert len(measured) == 10


def test_the_tables_are_those_that_compress_looks_for(
    profile: Any, measured: list[TableConditions], cache: Path
) -> None:
    profile("--sequence-length", "8", "--precision", "int8")
    store = profiling.TableStore(cache / "tables", note=pytest.fail)
    assert store.find(measured[0]) == made_up_table(measured[0])


def test_options_are_chosen_per_precision_by_timing_the_whole_teacher(
    profile: Any, measured: list[TableConditions], monkeypatch: pytest.MonkeyPatch
) -> None:
    from compressor.records.latency import CompileOptions

    seen: list[tuple[int, int]] = []

    def fastest(device: Any, model: bytes, feeds: Any, threads: int, precision: Precision) -> CompileOptions:
        assert (precision is Precision.INT8) == (b"MatMulInteger" in model)
        engine = device.compile(model, CompileOptions(threads))
        assert engine.run(feeds[0]).shape == (2, tiny.SHAPE.classes)
        seen.append((feeds[0]["input_ids"].shape, b"MatMulInteger" in model))
        return CompileOptions(threads, ("Slow",) if b"MatMulInteger" in model else ())

    monkeypatch.setattr(profiling, "fastest_options", fastest)
    profile("--batch", "2")
    assert seen == [((2, 8), False), ((2, 8), True), ((2, 16), False), ((2, 16), True)]
    assert [c.options.disabled_fusions for c in measured] == [(), ("Slow",)] * 2


def test_json_is_one_document_with_every_entry(profile: Any, tmp_path: Path) -> None:
    found = document(profile("--json"))
    assert (found.source, found.reused) == ("measured", (False,) * 4)
    assert found.tables[0] == replace(made_up_table(TableConditions.of(found.tables[0])))
    assert found.fingerprint == profiling.fingerprint()
    assert document(profile("--json", "--quiet")).reused == (True,) * 4


def test_show_prints_every_entry_and_draws_them(profile: Any, measured: list[TableConditions], cache: Path) -> None:
    pytest.importorskip("matplotlib")
    ended = profile("--show", "--quiet")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "fp32, batch 1, length 8, 1 thread(s); fake 1"
    assert lines[1].split("  ")[0] == "op"
    entry = next(line for line in lines if line.startswith("attention  ") and " 4 heads " in line)
    assert entry.split()[1:] == ["4", "heads", "2.40", "0.024", "30", "4.80", "0.048", "12"]
    picture = Path(lines[-1].removeprefix("picture: "))
    assert cache in picture.parents
    assert picture.read_text().startswith("<?xml")
    assert document(profile("--show", "--json")).picture == str(picture)


def test_without_matplotlib_the_tables_are_shown_and_the_missing_picture_is_said(
    profile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    ended = profile("--show")
    assert ended.code == 0
    assert "the picture needs matplotlib, which is not installed: pip install 'compressor[compress]'" in ended.out
    assert "picture: " not in ended.out
    assert ended.out.count("attention, first token only") == 16


def test_a_cache_that_cannot_be_written_to_is_worked_without_and_said(profile: Any, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file stands here")
    ended = profile("--sequence-length", "8", "--precision", "fp32", "--show")
    assert ended.code == 0
    assert "is not kept for other runs: expected a folder that can be written to" in ended.out
    assert ended.out.count("XDG_CACHE_HOME") >= 1
    assert "17 ops, measured in" in ended.out
    assert cache.read_text() == "a file stands here"


def test_a_damaged_table_in_the_cache_is_measured_anew_and_said(
    profile: Any, measured: list[TableConditions], cache: Path
) -> None:
    profile("--sequence-length", "8", "--precision", "fp32")
    (path,) = (cache / "tables").iterdir()
    whole = path.read_text()
    path.write_text(whole[:200])
    ended = profile("--sequence-length", "8", "--precision", "fp32")
    assert "cannot be used and is measured anew: " in ended.out
    assert len(measured) == 2
    assert path.read_text() == whole


def test_an_exported_file_is_taken_over_where_nothing_was_measured(
    profile: Any, cli: Any, measured: list[TableConditions], cache: Path, tmp_path: Path, fake_target: Path
) -> None:
    file = tmp_path / "tables.json"
    ended = profile("--export", file)
    assert ended.out.splitlines()[-1] == f"exported to: {file}"
    exported = from_json(TableFile, file.read_text())
    assert exported.device == profiling.fingerprint()
    for path in (cache / "tables").iterdir():
        path.unlink()

    taken = document(cli("profile", "--target", fake_target, "--import", file, "--json"))
    assert taken.tables == exported.tables
    assert document(profile("--json")).reused == (True,) * 4
    assert len(measured) == 4


def test_a_file_of_another_machine_is_refused_with_the_field(
    profile: Any, cli: Any, tmp_path: Path, fake_target: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tables.json"
    here = replace(profiling.fingerprint(), governor="performance")
    monkeypatch.setattr(profiling, "fingerprint", lambda: here)
    profile("--export", file)
    kept = len(list((cache / "tables").iterdir()))
    monkeypatch.setattr(profiling, "fingerprint", lambda: replace(here, governor="powersave"))
    ended = cli("profile", "--target", fake_target, "--import", file)
    assert ended.code == 2
    assert "governor 'powersave' here, 'performance' in the file" in ended.err
    assert len(list((cache / "tables").iterdir())) == kept


def test_an_import_needs_a_cache(profile: Any, cli: Any, tmp_path: Path, fake_target: Path, cache: Path) -> None:
    file = tmp_path / "tables.json"
    profile("--export", file)
    cache.rename(tmp_path / "elsewhere")
    cache.write_text("a file stands here")
    ended = cli("profile", "--target", fake_target, "--import", file)
    assert ended.code == 2
    assert "--import: expected a cache that can be written to" in ended.err


def test_a_machine_that_was_never_quiet_exports_nothing(
    profile: Any, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(device: Any, *parts: Any, progress: Any) -> LatencyTable:
        return made_up_table(TableConditions(parts[0], device.runtime, *parts[1:]), disturbed_share=0.4)

    monkeypatch.setattr(tables, "measure_table", noisy)
    ended = profile("--export", tmp_path / "tables.json")
    assert ended.code == 5
    assert "warning: the machine was never quiet while 40 % of the ops were measured" in ended.out
    assert "--export: nothing is written" in ended.err
    assert "fp32" in ended.out  # what was measured is shown all the same
    assert not (tmp_path / "tables.json").exists()
    assert not (cache / "tables").exists()


def test_without_a_teacher_it_is_minilm_and_the_usual_lengths(
    cli: Any, fake_target: Path, measured: list[TableConditions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        profiling, "fastest_options", lambda device, model, feeds, threads, precision: device.option_variants(1)[0]
    )
    assert cli("profile", "--target", fake_target, "--precision", "fp32").code == 0
    assert [c.workload.sequence_length for c in measured] == [16, 32, 64, 128]
    shape = measured[0].teacher
    assert (len(shape.layers), shape.layers[0].heads, shape.layers[0].neurons) == (6, 12, 1536)
    assert (shape.hidden, shape.head_size, shape.vocabulary) == (384, 32, 30522)


BAD = [
    (("--precision", "int4"), "--precision: expected some of fp32, int8, int8-static, got int4"),
    (("--sequence-length", "16,x"), "--sequence-length: expected whole numbers .* such as 16,32, got 'x'"),
    (("--sequence-length", ""), "--sequence-length: expected whole numbers .* got ''"),
    (("--sequence-length", "-8"), "--sequence-length: expected whole numbers"),
    (("--sequence-length", "0"), "--sequence-length: expected at least 1, got 0"),
    (("--sequence-length", "8,49"), "--sequence-length: expected at most 48, the teacher's longest, got 49"),
    (("--batch", "0"), "--batch: expected at least 1, got 0"),
    (("--threads", "0"), "--threads: expected at least 1, got 0"),
    (("--threads", "2"), "--threads: expected at most 1, the cores that this process may use, got 2"),
    (("--target", "cpu-avx512-vni"), "unknown target 'cpu-avx512-vni': did you mean 'cpu-avx512-vnni'"),
    (("--target", "{folder}/gone.yaml"), "cannot read .*gone.yaml"),
    (("--teacher", "{folder}/gone"), "--teacher: expected a folder with config.json"),
    (("--teacher", "bert-bse"), "'bert-bse' is no folder here.* Did you mean 'bert-base'?"),
    (("--export", "{folder}"), "--export: expected the name of a file.* found a folder"),
    (("--export", "{folder}/gone/tables.json"), "--export: .*found no folder"),
]


@pytest.mark.parametrize(("flags", "message"), BAD, ids=[" ".join(flags) for flags, _ in BAD])
def test_what_cannot_be_used_ends_with_2_before_anything_is_measured(
    profile: Any, measured: list[TableConditions], tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    import re

    ended = profile(*(flag.format(folder=tmp_path) for flag in flags))
    assert ended.code == 2, ended.err
    assert re.search(message, ended.err), ended.err
    assert "Traceback" not in ended.err
    assert measured == []


def test_a_family_without_an_adapter_has_no_table(profile: Any, tiny_config: Path) -> None:
    (tiny_config / "config.json").write_text(json.dumps({**tiny.config(), "model_type": "albert"}))
    ended = profile()
    assert ended.code == 2
    assert "the family 'albert' is not supported; supported: bert, " in ended.err


def test_a_precision_that_the_target_lacks_is_refused_and_not_taken_by_default(
    profile: Any, fake_target: Path, measured: list[TableConditions]
) -> None:
    fake_target.write_text(fake_target.read_text().replace("[fp32, int8]", "[fp32]"))
    ended = profile("--precision", "int8")
    assert ended.code == 2
    assert "--precision: expected some of fp32, which fake has on fake-device, got int8" in ended.err
    assert profile().code == 0
    assert {c.precision for c in measured} == {Precision.FP32}


def test_an_unknown_runtime_ends_with_5(profile: Any, fake_target: Path) -> None:
    fake_target.write_text(fake_target.read_text().replace("runtime: fake", "runtime: tensorrt"))
    ended = profile()
    assert ended.code == 5
    assert "no runtime 'tensorrt' here" in ended.err


@pytest.mark.parametrize("content", ["", '{"schema": 1, "record": "Report"}', "not JSON", "[]"])
def test_a_foreign_file_is_not_imported(
    cli: Any, fake_target: Path, tmp_path: Path, cache: Path, content: str
) -> None:
    (tmp_path / "foreign.json").write_text(content)
    ended = cli("profile", "--target", fake_target, "--import", tmp_path / "foreign.json")
    assert ended.code == 2
    assert "--import: " in ended.err
    assert "foreign.json" in ended.err
    assert not (cache / "tables").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ("--teacher", "x"),
        ("--batch", "1"),
        ("--sequence-length", "8"),
        ("--threads", "1"),
        ("--precision", "fp32"),
        ("--export", "x"),
        ("--fresh",),
    ],
    ids=lambda flags: flags[0],
)
def test_beside_an_import_no_other_tables_can_be_asked_for(cli: Any, tmp_path: Path, flags: tuple[str, ...]) -> None:
    ended = cli("profile", "--import", tmp_path / "tables.json", *flags)
    assert ended.code == 2
    assert f"--import takes the tables as they are in the file; leave {flags[0]} out" in ended.err


def test_an_absent_device_is_estimated_and_says_so_in_every_line(
    profile: Any, measured: list[TableConditions], cache: Path
) -> None:
    found = document(profile("--target", "t4", "--json"))
    assert (found.source, found.target, found.fingerprint) == ("estimated", "t4", None)
    assert {table.source for table in found.tables} == {"estimated"}
    shown = profile("--target", "t4", "--show", "--quiet").out.splitlines()
    rows = [line for line in shown if " heads " in line or " neurons " in line]
    assert rows
    assert all(line.startswith("ESTIMATED ") for line in rows)
    assert sum(line.startswith("ESTIMATED, not measured: ") for line in shown) == 2 * len(found.tables)
    assert sum(line == found.notice for line in shown) == len(found.tables) + 1
    assert measured == []
    assert not (cache / "tables").exists()


def test_estimates_are_not_exported(profile: Any, tmp_path: Path) -> None:
    ended = profile("--target", "t4", "--export", tmp_path / "tables.json")
    assert ended.code == 2
    assert (
        "--export: t4 is not this machine, so its tables are estimated; only measured tables are exported" in ended.err
    )
    assert not (tmp_path / "tables.json").exists()


def test_nothing_is_imported_for_an_absent_device(profile: Any, cli: Any, tmp_path: Path, cache: Path) -> None:
    profile("--export", tmp_path / "tables.json")
    kept = set((cache / "tables").iterdir())
    ended = cli("profile", "--target", "t4", "--import", tmp_path / "tables.json")
    assert ended.code == 5
    assert "target 't4' (NVIDIA T4 (Turing TU104, 16 GB)) is not available on this device" in ended.err
    assert set((cache / "tables").iterdir()) == kept
