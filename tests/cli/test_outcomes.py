"""What a run says and how it ends, on the fake device."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import edit_manifest

from compressor import profiles
from compressor.pipeline import STAGES, scoring, stages
from compressor.records.results import Report
from compressor.records.serial import from_json

LOOSE, PRUNED, DAMAGING, IMPOSSIBLE = "5ms", "130us", "65us", "10us"


def test_promises_that_are_kept_end_with_0_and_the_verdict_last(compress: Any, tmp_path: Path) -> None:
    ended = compress("--max-latency", LOOSE)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[-1].startswith("met: every promise is kept. Shipped: teacher, fp32 compiled, fp32")
    assert any(line.startswith("latency met: 100.00 % of runs within 5 ms") for line in lines)
    assert any(line.startswith("accuracy met: accuracy drops by 0.00 points") for line in lines)
    assert f"bundle: {tmp_path / 'bundle'}" in lines
    assert "ladder: " + STAGES["ladder"] in lines
    assert ended.err == ""


def test_a_student_is_built_and_its_widths_are_shown(compress: Any) -> None:
    ended = compress("--max-latency", PRUNED)
    assert ended.code == 0
    assert "Shipped: student, int8, heads/neurons per layer" in ended.out.splitlines()[-1]
    assert any(line.startswith("search: built ") for line in ended.out.splitlines())


def test_a_slow_teacher_is_scored_on_fewer_rows_and_says_so(compress: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "affordable_rows", lambda *args: 26)
    scored: list[int] = []
    whole = scoring.score_space

    def watched(teacher: Any, importance: Any, damage: Any, **more: Any) -> Any:
        scored.append(sum(len(batch.ids) for batch in damage))
        return whole(teacher, importance, damage, **more)

    monkeypatch.setattr(scoring, "score_space", watched)
    assert compress("--max-latency", PRUNED, "--stop-after", "score").code == 0
    monkeypatch.setattr(scoring, "affordable_rows", lambda *args: 1)
    few = compress("--max-latency", PRUNED, "--stop-after", "score", "--fresh")
    assert scored == [26, scoring.MIN_DAMAGE_ROWS]
    assert f"cuts are judged on {scoring.MIN_DAMAGE_ROWS} rows instead of {scoring.DAMAGE_ROWS}" in few.out


def test_an_impossible_limit_ends_with_3_and_the_nearest(compress: Any, tmp_path: Path) -> None:
    ended = compress("--max-latency", IMPOSSIBLE)
    assert ended.code == 3
    assert "--max-latency 10 us cannot be kept on this device" in ended.err
    assert "nearest feasible limit: " in ended.err
    assert "at the cost of about " in ended.err
    assert not (tmp_path / "bundle").exists()


def test_a_missed_promise_ends_with_4_and_its_reason(
    compress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the whole recipe the student would answer like its teacher.
    monkeypatch.setattr("compressor.pipeline.labelling.copies_of", lambda *given, **more: 0)
    monkeypatch.setattr("compressor.pipeline.searching.finalists", lambda problem: ())
    monkeypatch.setattr("compressor.distill.recipe.DEEP", 0.0)
    ended = compress("--max-latency", DAMAGING, "--max-accuracy-drop", 0)
    assert ended.code == 4
    assert ended.out.splitlines()[-1].startswith("missed: accuracy drop over the budget. Shipped: student")
    assert (tmp_path / "bundle" / "manifest.json").exists()


def test_json_is_one_document_and_nothing_else(compress: Any) -> None:
    ended = compress("--max-latency", LOOSE, "--json")
    report = from_json(Report, ended.out)
    assert ended.code == 0
    assert report.verification.latency.limit_ms == 5.0
    assert "ladder: " in ended.err  # what happens is told elsewhere


def test_an_error_with_json_is_one_document_too(compress: Any) -> None:
    ended = compress("--max-latency", IMPOSSIBLE, "--json", "--quiet")
    facts = json.loads(ended.out)
    assert ended.code == facts["exit_code"] == 3
    assert facts["nearest_ms"] > 0.01
    assert facts["error"] in ended.err


def test_quiet_shows_the_result_only(compress: Any) -> None:
    ended = compress("--max-latency", LOOSE, "--quiet")
    assert not any(line.startswith(tuple(f"{name}: " for name in STAGES)) for line in ended.out.splitlines())
    assert ended.out.splitlines()[-1].startswith("met: ")


def test_the_plan_names_the_stages_and_builds_nothing(compress: Any, cache: Path, tmp_path: Path) -> None:
    ended = compress("--plan")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()[1:-2] if line.split()[0] in STAGES] == list(STAGES)
    assert "of memory" in ended.out
    assert ended.out.splitlines()[-2].startswith("likely to ship: student (by latency alone: ")
    assert not (tmp_path / "bundle").exists()


def test_the_plan_as_json_has_every_stage_once(compress: Any) -> None:
    found = json.loads(compress("--plan", "--json").out)
    assert [stage["name"] for stage in found["stages"]] == list(STAGES)
    assert {stage["name"] for stage in found["stages"] if stage["if_needed"]} == set(list(STAGES)[2:8])
    assert found["memory_bytes"] > 10**8
    assert found["forecast"]["likely"] == "student"


def test_stop_after_ends_with_0_and_the_same_command_continues(compress: Any, tmp_path: Path) -> None:
    first = compress("--max-latency", LOOSE, "--stop-after", "ladder")
    assert first.code == 0
    assert "stopped after `ladder`, as asked" in first.out
    assert not (tmp_path / "bundle").exists()
    second = compress("--max-latency", LOOSE)
    assert second.code == 0
    assert "prepare: taken from an earlier run" in second.out
    assert "ladder: taken from an earlier run" in second.out
    assert "export: done in" in second.out


def test_fresh_and_force_do_it_all_again(compress: Any) -> None:
    assert compress("--max-latency", LOOSE).code == 0
    again = compress("--max-latency", LOOSE, "--fresh", "--force")
    assert again.code == 0
    assert "taken from an earlier run" not in again.out


@pytest.fixture
def interrupted(compress: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A command during which the user pressed Ctrl-C."""

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "climb_ladder", interrupt)
    return compress("--max-latency", LOOSE)


def test_an_interruption_ends_with_130(interrupted: Any) -> None:
    assert interrupted.code == 130
    assert "Traceback" not in interrupted.err


def test_an_interruption_says_how_to_go_on(interrupted: Any) -> None:
    assert "interrupted; the same command continues where it was" in interrupted.err


def test_verify_checks_a_bundle_again(compress: Any, cli: Any, tmp_path: Path) -> None:
    assert compress("--max-latency", LOOSE).code == 0
    ended = cli("verify", tmp_path / "bundle")
    assert ended.code == 0
    assert [line.split()[:2] for line in ended.out.splitlines()[1:5]] == [
        [name, "met"] for name in ("numerics", "accuracy", "latency", "size")
    ]
    assert ended.out.splitlines()[-1] == "verdict: met"
    assert ended.err.splitlines()[0] == "verify: files, answers and times of the bundle"
    assert "verify: done in " in ended.err.splitlines()[-1]
    as_json = json.loads(cli("verify", tmp_path / "bundle", "--json").out)
    assert as_json["verdict"] == "met"
    assert as_json["changes"] == []


def test_verify_says_what_changed_since(
    compress: Any, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compress("--max-latency", LOOSE).code == 0
    here = profiles.fingerprint()
    monkeypatch.setattr(profiles, "fingerprint", lambda: replace(here, model="another CPU"))
    edit_manifest(tmp_path / "bundle", runtime="fake 0")
    ended = cli("verify", tmp_path / "bundle", "--json")
    assert ended.code == 5  # the promise is about another device
    found = json.loads(ended.out)
    assert (found["verdict"], found["reasons"]) == ("unverified", ["latency not measured on the device"])
    assert found["accuracy"]["verdict"] == found["numerics"]["verdict"] == "met"
    assert found["changes"] == [
        f"the bundle was verified on another device, or with other cores: {here.model}",
        "the bundle was verified with fake 0, here is fake 1",
    ]


def test_verify_refuses_a_bundle_that_was_changed(compress: Any, cli: Any, tmp_path: Path) -> None:
    assert compress("--max-latency", LOOSE).code == 0
    (tmp_path / "bundle" / "model.onnx").write_bytes(b"something else")
    ended = cli("verify", tmp_path / "bundle")
    assert ended.code == 2
    assert "model.onnx has changed since it was verified; export the bundle again" in ended.err


def test_verify_of_no_bundle_ends_with_2(cli: Any, tmp_path: Path) -> None:
    ended = cli("verify", tmp_path)
    assert ended.code == 2
    assert f"cannot read {tmp_path / 'manifest.json'}" in ended.err


def test_from_a_real_teacher_to_a_bundle_on_this_cpu(
    tiny_teacher: Path, tiny_data: Path, tmp_path: Path, checkout: Path
) -> None:
    """The whole way in a process of its own: this CPU, at most two cores, real times."""
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []
    flags = {
        "--teacher": tiny_teacher,
        "--data": tiny_data,
        "--output": tmp_path / "bundle",
        "--max-latency": "50ms",
        "--threads": 1,
    }
    call = "import os, sys; from compressor.cli import main; "
    if cores:
        call += f"os.sched_setaffinity(0, {cores}); "
    command = [sys.executable, "-c", call + "main()", "compress", "--json"]
    done = subprocess.run(
        [*command, *(str(part) for pair in flags.items() for part in pair)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    report = from_json(Report, done.stdout)
    assert report.cores == max(1, len(cores)) or not cores
    rows = {row.name for row in report.rows} - {"teacher, int8 static"}  # which needs OpenVINO
    assert rows == {"teacher, eager PyTorch", "teacher, fp32 compiled", "teacher, int8"}
    accuracies = {row.name: row.accuracy_points for row in report.rows}
    assert accuracies["teacher, eager PyTorch"] == accuracies["teacher, fp32 compiled"] > 90
    assert report.verification.latency.summary.samples > 1000
    assert report.verification.latency.share_low >= 0.95
    assert report.options.threads == 1
