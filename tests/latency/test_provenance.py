"""The error of an estimate where both tables are known, and the words beside it."""

from dataclasses import replace
from typing import Any

import pytest
from tiny_models import tiny

from compressor.errors import BorderError, InputError
from compressor.latency import candidate_ops, estimate_error, estimate_notice
from compressor.records.architecture import OpKey, Precision
from compressor.records.latency import CompileOptions, LatencyTable, Measured, TableEntry
from compressor.records.promise import Workload

INT8 = Precision.INT8
TEACHER = tiny((3, 48), (3, 48))
WORKLOAD = Workload(batch=2, sequence_length=7, threads=1)


def table_of(source: Any, values: dict[OpKey, float]) -> LatencyTable:
    entries = tuple(
        TableEntry(op, Measured(value, 1.0, 9), Measured(3 * value, 1.0, 9), 10) for op, value in values.items()
    )
    return LatencyTable("d", "r", TEACHER, INT8, CompileOptions(1), WORKLOAD, entries, source=source)


def test_the_error_of_an_estimate_is_the_mean_over_whole_architectures() -> None:
    ops = candidate_ops(TEACHER, INT8)
    stem = ops[0]
    measured = table_of("measured", {op: 100.0 if op == stem else 10.0 for op in ops})
    estimated = table_of("estimated", {op: 90.0 if op == stem else 20.0 for op in ops})
    shapes = [TEACHER.with_layers(()), tiny((1, 16)), TEACHER]  # 100 -> 90, 120 -> 130, 140 -> 170
    expected = 100 * (10 / 100 + 10 / 120 + 30 / 140) / 3
    assert estimate_error(measured, estimated, shapes) == pytest.approx(expected)
    assert estimate_error(measured, replace(measured, source="estimated"), shapes) == 0
    with pytest.raises(BorderError, match="expected a measured and an estimated table, got estimated and measured"):
        estimate_error(estimated, measured, shapes)
    with pytest.raises(BorderError, match="same conditions and at least one shape"):
        estimate_error(measured, estimated, [])
    with pytest.raises(BorderError, match="same conditions"):
        estimate_error(measured, replace(estimated, workload=replace(WORKLOAD, threads=2)), shapes)
    with pytest.raises(InputError, match="no entry for `attention 1 x 8 of 16, int8, first token`"):
        estimate_error(measured, table_of("estimated", dict.fromkeys(ops[:4], 1.0)), shapes)


def test_the_words_beside_an_estimate() -> None:
    assert estimate_notice(23.4) == (
        "estimated from data sheets (roofline); on this CPU the same estimator is off by 23 % on average"
    )
    assert estimate_notice(None).endswith("how far the estimator is off on this CPU was not measured")
