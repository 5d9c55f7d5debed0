"""What the benchmark of precisions compares: engines of the same accuracy, and only those that are there."""

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import precision
from benchmarks.equal_accuracy import fastest_of_ours, speedup_over_best_peer
from benchmarks.harness import Check

FP32 = 90.4
MS = {"ours: fp32": 8.0, "ours: int8": 4.0, "ours: int8, fast": 3.0, "one: int8": 5.0, "two: int8": 4.5}
ACCURACY = {"ours: fp32": 90.4, "ours: int8": 90.2, "ours: int8, fast": 89.0, "one: int8": 90.3, "two: int8": 90.15}


def test_ours_has_to_be_as_accurate_as_the_uncompressed_model() -> None:
    assert fastest_of_ours(MS, ACCURACY, FP32 - 0.3) == 4.0
    assert fastest_of_ours(MS, ACCURACY, 91.0) is None
    assert speedup_over_best_peer(MS, ACCURACY, FP32) == 4.5 / 4.0


def test_a_peer_that_is_less_accurate_is_none() -> None:
    assert speedup_over_best_peer(MS, {**ACCURACY, "two: int8": 90.0}, FP32) == 5.0 / 4.0
    worse = {**ACCURACY, "two: int8": 88.0, "one: int8": 88.0}
    assert speedup_over_best_peer(MS, worse, FP32) is None


def test_against_a_more_accurate_peer_stands_a_more_accurate_one_of_ours() -> None:
    better = {**ACCURACY, "two: int8": 90.6}  # ours in int8 is 0.4 points below it
    assert speedup_over_best_peer(MS, better, FP32) == 4.5 / 8.0
    assert speedup_over_best_peer(MS, {**better, "two: int8": 90.8}, FP32) is None


def test_a_peer_that_was_not_timed_does_not_count() -> None:
    ms = {name: value for name, value in MS.items() if not name.startswith("two")}
    assert speedup_over_best_peer(ms, ACCURACY, FP32) == 5.0 / 4.0


def rows() -> dict[str, dict[str, Any]]:
    """As of a whole run, made up."""
    timed = {"ms": MS, "failed": {}, "floor_ms": 2.0, "floor_of_our_graph_ms": 1.6}
    reached = {"fp32": FP32, "accuracy": ACCURACY}
    shipped = {"megabytes": 8.0, "vocabulary": 30522, "accuracy_drop_points": 0.4, "speed_up": 6.0, "limit": "1.8ms"}
    return {
        "minilm 56 x1": timed,
        "minilm 128 x1": timed,
        "minilm accuracy": reached,
        "5x in 9 MB": shipped,
        "5x in 5 MB": {**shipped, "megabytes": 4.9, "vocabulary": 9000},
        "planted faults": {"planted": 40, "missed": ["one"]},
        "call": {"overhead_us": 12.0},
        "verify without torch": {"holds": True},
        "optimum": {"loads": False},
        "student 12x 56 x1": timed,
        "student 12x accuracy": reached,
    }


@pytest.fixture(autouse=True)
def _words(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"vocab_size": 30522}', encoding="utf-8")
    monkeypatch.setattr(precision, "TEACHER", tmp_path)


def by_name(checks: Iterator[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_every_check_has_a_value_where_every_row_is_there() -> None:
    found = by_name(precision.checks(rows()))
    assert all(check.value is not None for check in found.values())
    assert found["ratio_to_floor_128"].value == 2.0
    assert found["ratio_to_own_products_128"].value == 2.5
    assert found["planted_faults_caught_share"].value == 0.975
    assert found["speedup_over_best_peer_minilm_56"].unit == f"x, 2 of {len(precision.PEERS)} peers are here"
    assert (found["verify_without_torch"].value, found["optimum_loads"].value) == (1, 0)


def test_what_was_not_measured_is_not_met() -> None:
    gone = ("call", "verify without torch", "student 12x 56 x1")
    found = by_name(precision.checks({name: row for name, row in rows().items() if name not in gone}))
    for name in ("load_call_overhead_us", "verify_without_torch", "ratio_to_floor_student_12x_56"):
        assert found[name].value is None
        assert found[name].as_dict()["met"] is False


def test_without_trimming_means_with_every_word() -> None:
    trimmed = {**rows(), "5x in 9 MB": {**rows()["5x in 9 MB"], "vocabulary": 9000}}
    found = by_name(precision.checks(trimmed))
    assert found["shipped_megabytes_sst2_5x"].value is None
    assert found["shipped_megabytes_sst2_5x_trimmed"].value == 4.9


def test_the_table_shows_who_is_missing_and_what_cannot_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    timed = {**rows()["minilm 56 x1"], "failed": {"two: int8": "the worker ended with 1:\nno such operator"}}
    missing = {"failed": ["pip ended with 1:", "no matching distribution"]}
    precision.show({"minilm 56 x1": timed, "peer olive minilm": missing, "verify": {"holds": True}})
    shown = capsys.readouterr().out
    assert "two: int8" in shown
    assert "cannot be run: no such operator" in shown
    assert "missing: no matching distribution" in shown


def test_the_limit_is_of_our_fastest_fp32_engine() -> None:
    ms = {
        "ours: fp32, openvino": 7.0,
        "ours: fp32, onnxruntime": 8.0,
        "ours: int8, onnxruntime": 3.0,
        "one: fp32": 1.0,
    }
    assert precision.fastest_fp32_ms({"ms": ms}) == 7.0
