"""Estimated tables of absent devices, and the error of the estimator on the machine at hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_tables import MACHINE, TEACHER, conditions, made_up_table

from compressor.latency.provenance import estimate_error
from compressor.latency.roofline import estimated_table
from compressor.latency.store import TableConditions, TableStore
from compressor.pipeline.estimates import error_here, estimated_profile, shapes
from compressor.profiles import class_profile, load_profile
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions, LatencyTable, TableEntry, mixed
from compressor.records.promise import Workload
from compressor.runtimes import open_device

PAIRS = [(precision, Workload(1, 8, 1)) for precision in (Precision.FP32, Precision.INT8)]
AVX2 = replace(MACHINE, flags=("avx", "avx2", "fma", "f16c"))


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path, note=pytest.fail)


def measured_like(estimate: LatencyTable, factor: float) -> LatencyTable:
    """A table of this machine that is measured to be `factor` times the estimate of it."""

    def scaled(entry: TableEntry) -> TableEntry:
        nothing = replace(entry.cached, value_us=0.0)
        return replace(
            entry, cached=mixed(nothing, entry.cached, factor), uncached=mixed(nothing, entry.uncached, factor)
        )

    here = replace(
        conditions(AVX2.key, estimate.precision),
        runtime=open_device("onnxruntime").runtime,
        options=CompileOptions(AVX2.usable_cores),
        workload=estimate.workload,
    )
    made_up = made_up_table(here)
    return replace(made_up, entries=tuple(scaled(entry) for entry in estimate.entries))


def test_every_table_says_that_it_is_estimated_and_how_little_is_known(store: TableStore) -> None:
    found = estimated_profile(load_profile("t4"), TEACHER, PAIRS, here=AVX2, store=store)
    assert (found.source, found.target, found.fingerprint) == ("estimated", "t4", None)
    assert [(table.source, table.device) for table in found.tables] == [("estimated", "t4")] * 2
    assert found.notice is not None
    assert "was not measured" in found.notice


def test_the_error_is_that_of_estimates_of_this_machine_against_its_measured_tables(store: TableStore) -> None:
    described = class_profile(AVX2)
    assert described is not None
    local = Workload(1, 8, AVX2.usable_cores)
    for precision, factor in ((Precision.FP32, 2.0), (Precision.INT8, 0.8)):
        store.keep(measured_like(estimated_table(described, TEACHER, precision, local), factor))
    # Half of what was measured: 50 % off; 1 / 0.8 of it: 25 % off.
    assert error_here(TEACHER, PAIRS, here=AVX2, store=store) == pytest.approx(37.5)
    assert error_here(TEACHER, PAIRS[:1], here=AVX2, store=store) == pytest.approx(50.0)
    found = estimated_profile(load_profile("a100"), TEACHER, PAIRS, here=AVX2, store=store)
    assert "off by 38 % on average" in (found.notice or "")


def test_without_a_measured_table_or_a_description_of_the_cpu_nothing_is_claimed(store: TableStore) -> None:
    assert error_here(TEACHER, PAIRS, here=AVX2, store=store) is None
    assert error_here(TEACHER, PAIRS, here=replace(AVX2, flags=()), store=store) is None


def test_the_shapes_are_covered_by_a_table_of_candidates() -> None:
    table = made_up_table()
    covered = shapes(TEACHER)
    assert TEACHER in covered
    assert len({shape.layers for shape in covered}) == len(covered) == 2 * len(TEACHER.layers)
    estimate = replace(table, source="estimated")
    assert estimate_error(table, estimate, covered) == 0.0
    assert TableConditions.of(table) == conditions()
