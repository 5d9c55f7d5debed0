"""Gates by the table of a target that is not here: what the table cannot know stays open."""

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import make_bundle
from made_up_report import made_up_report
from made_up_tables import MACHINE, RUNTIME, made_up_table
from tiny import SHAPE

from compressor.errors import InputError
from compressor.export import REPORT
from compressor.gate.measuring import Side
from compressor.gate.predicting import predicted_checks
from compressor.latency.portable import export_tables
from compressor.latency.store import TableConditions
from compressor.records.architecture import Layer, Precision
from compressor.records.gate import GateCheck, GateLimits, GateVerdict
from compressor.records.latency import CompileOptions
from compressor.records.promise import Budget, Workload
from compressor.records.results import Manifest
from compressor.records.serial import save

PASS, FAIL, INCONCLUSIVE = GateVerdict.PASS, GateVerdict.FAIL, GateVerdict.INCONCLUSIVE
# Of made_up_table: 2 us for the stem, twice 2.4 us for 4 heads, twice 8.4 us for 64 neurons.
WHOLE_US = 23.6
# With 53 neurons in the last layer, 1.1 us less.
NARROW = SHAPE.with_layers((Layer(4, 64), Layer(4, 53)))


@pytest.fixture(scope="module")
def manifest(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_bundle(tmp_path_factory.mktemp("predicted") / "bundle", tiny_teacher, tiny_data)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    wanted = TableConditions(
        MACHINE.key,
        RUNTIME,
        SHAPE,
        Precision.INT8,
        CompileOptions(1),
        Workload(batch=1, sequence_length=16, threads=1),
    )
    path = tmp_path / "pocket.json"
    export_tables(path, (made_up_table(wanted),), MACHINE, today=datetime.date(2026, 11, 22))
    return path


def checked(table: Path, base: Side, head: Side, limits: GateLimits) -> dict[str, GateCheck]:
    return {check.name: check for check in predicted_checks(table, base, head, limits)}


def test_one_shape_has_one_prediction_and_no_error(table: Path, manifest: Manifest, tmp_path: Path) -> None:
    side = Side(tmp_path, manifest)
    found = checked(table, side, side, GateLimits(max_regression=0.001))
    check = found.pop("predicted latency")
    assert (check.verdict, check.base, check.head) == (PASS, "23.6 us", "23.6 us")
    assert check.note == "+0.0 % ± 0.0 % by pocket.json of Pocket 100"
    assert not found  # without --max-latency there is no limit


@pytest.mark.parametrize(("allowed", "verdict"), [(0.02, FAIL), (0.05, INCONCLUSIVE), (0.10, PASS)])
def test_a_prediction_decides_beyond_its_error_only(
    table: Path, manifest: Manifest, tmp_path: Path, allowed: float, verdict: GateVerdict
) -> None:
    base, head = Side(tmp_path, replace(manifest, architecture=NARROW)), Side(tmp_path, manifest)
    check = checked(table, base, head, GateLimits(max_regression=allowed))["predicted latency"]
    assert check.verdict is verdict
    assert check.note.startswith("+4.9 % ± ")


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.95, FAIL), (1.0, INCONCLUSIVE), (1.05, PASS)], ids=["above", "about", "below"]
)
def test_a_limit_is_held_against_the_tail(
    table: Path, manifest: Manifest, tmp_path: Path, factor: float, verdict: GateVerdict
) -> None:
    side = Side(tmp_path, manifest)
    limits = GateLimits(max_latency_ms=factor * 1.2 * WHOLE_US / 1e3)
    check = checked(table, side, side, limits)["predicted latency limit"]
    assert (check.verdict, check.head) == (verdict, "28.3 us")
    assert "1.20 x the median (assumed: no bundle has a report)" in check.note


def test_the_tail_is_that_of_the_promised_percentile_where_the_head_was_built(
    table: Path, manifest: Manifest, tmp_path: Path
) -> None:
    promised = replace(manifest, budget=Budget(percentile=99.0))
    base, head = Side(tmp_path / "base", promised), Side(tmp_path / "head", promised)
    limits = GateLimits(max_latency_ms=1.3 * WHOLE_US / 1e3)
    head.folder.mkdir()
    (head.folder / REPORT).write_text("{}", encoding="utf-8")  # of a version that this one cannot read
    assert checked(table, base, head, limits)["predicted latency limit"].verdict is PASS
    save(made_up_report(), head.folder / REPORT)  # its p99 is 1.5 times its median
    check = checked(table, base, head, limits)["predicted latency limit"]
    assert check.verdict is FAIL
    assert "1.50 x the median (p99 where head was built)" in check.note


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": None}, "of a family without an adapter"),
        ({"kept": ("layer0.attention.output.product",)}, "has products in fp32"),
        ({"workload": Workload(1, 24, 1)}, "has no table of batch 1, length 24"),
    ],
)
def test_what_no_table_has_is_said(
    table: Path, manifest: Manifest, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    base, head = Side(tmp_path, manifest), Side(tmp_path, replace(manifest, **changes))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        checked(table, base, head, GateLimits())
