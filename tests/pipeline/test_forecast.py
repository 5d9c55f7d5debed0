"""What a plan says will ship, against what the device takes."""

from dataclasses import replace
from pathlib import Path

import pytest
from pipeline_runs import Ask, Times
from tiny import Watcher

from compressor.errors import InputError, ResourceError
from compressor.pipeline import plan_for, workbench
from compressor.pipeline.forecast import NOTHING, STUDENT, ForecastRung, likely
from compressor.pipeline.plan import Plan
from compressor.records.architecture import Precision
from compressor.records.request import CompressRequest
from compressor.records.results import COMPILED, ROW_NAMES


def planned(request: CompressRequest, tmp_path: Path) -> Plan:
    return plan_for(request, cache=tmp_path / "cache", observer=Watcher())


@pytest.mark.parametrize(
    ("share", "of", "expected"),
    [
        (1.2, Precision.FP32, COMPILED),
        (1.2, Precision.INT8, ROW_NAMES[Precision.INT8]),
        (0.75, Precision.INT8, STUDENT),
        (0.05, Precision.INT8, NOTHING),
    ],
)
def test_the_rung_that_keeps_the_limit_is_named(
    ask: Ask, teacher_ms: Times, tmp_path: Path, share: float, of: Precision, expected: str
) -> None:
    found = planned(ask(share * teacher_ms[of]), tmp_path).forecast
    assert found is not None
    assert found.likely == expected
    assert found.summary.startswith(f"likely to ship: {expected} (by latency alone: teacher, fp32 compiled ")
    measured = {rung.name: rung.p50_ms for rung in found.rungs}
    for precision, teacher in teacher_ms.items():
        assert measured[ROW_NAMES[precision]] == pytest.approx(teacher, rel=1e-3)
    assert found.rungs[-1].p50_ms < min(teacher_ms.values())


def test_without_a_limit_a_student_is_sought() -> None:
    assert likely((ForecastRung(COMPILED, 2.0, 2.1), ForecastRung("smallest student", 1.0, 1.1)), None) == STUDENT


def test_a_teacher_that_only_just_keeps_the_limit_is_not_counted_on() -> None:
    rungs = (ForecastRung(COMPILED, 0.9, 0.99), ForecastRung("smallest student", 0.1, 0.1))
    assert likely(rungs, 1.0) == STUDENT


def test_memory_is_estimated_and_compared_with_what_there_is(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = planned(ask(1.0), tmp_path)
    assert 0.5e9 < found.memory_bytes < 2e9  # a tiny model: two processes with torch
    assert f"{found.available_bytes / 1e9:.1f} GB are available" in found.summary
    monkeypatch.setattr(workbench, "available_memory", lambda: 10**6)
    with pytest.raises(ResourceError, match="compiling the teacher"):
        planned(ask(1.0), tmp_path)


def test_a_length_that_the_teacher_does_not_take_is_refused(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--sequence-length: expected at most 48"):
        planned(replace(ask(1.0), sequence_length=49), tmp_path)
