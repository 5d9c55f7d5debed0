"""The command that a report tells: what was given, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

import compressor
from compressor.export import REPORT
from compressor.records.promise import Budget
from compressor.records.request import CompressRequest
from compressor.records.results import Report
from compressor.records.serial import load
from compressor.runtimes import opening


def test_the_report_has_the_command_as_it_was_given(
    compress: Any, tiny_teacher: Path, tiny_data: Path, fake_target: Path, tmp_path: Path
) -> None:
    assert compress("--max-latency", "5ms", "--quiet").code == 0
    words = load(Report, tmp_path / "bundle" / REPORT).command
    assert words[:2] == ("compressor", "compress")
    assert words[-1] == "--quiet"
    assert dict(zip(words[2:-1:2], words[3:-1:2], strict=True)) == {
        "--teacher": str(tiny_teacher),
        "--data": str(tiny_data),
        "--output": str(tmp_path / "bundle"),
        "--target": str(fake_target),
        "--max-latency": "5ms",
        "--batch": "4",
        "--sequence-length": "32",
        "--time-budget": "1m",
    }


def test_a_stop_on_the_way_is_no_part_of_it(compress: Any, tmp_path: Path) -> None:
    assert compress("--max-latency", "5ms", "--stop-after", "report").code == 0
    assert compress("--max-latency", "5ms").code == 0
    assert "--stop-after" not in load(Report, tmp_path / "bundle" / REPORT).command


def test_a_program_has_the_names_that_it_gave(
    tiny_teacher: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "teacher").symlink_to(tiny_teacher)
    (tmp_path / "data").symlink_to(tiny_data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(opening.DEVICES, "onnxruntime", opening.DEVICES["fake"])
    outcome = compressor.compress(CompressRequest("teacher", "data", budget=Budget(50.0)), "made")
    expected = ("--teacher", "teacher", "--data", "data", "--output", "made", "--max-latency", "50ms")
    assert outcome.report.command == ("compressor", "compress", *expected)
