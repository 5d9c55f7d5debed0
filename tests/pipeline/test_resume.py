"""A run that was stopped, killed or asked for again ends where an uninterrupted one does."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import Ask, Run, Times, Whole, run_folder, start
from tiny import Watcher

from compressor.export import ENGINE, EVIDENCE, MODEL
from compressor.pipeline import STAGES, StoppedError, distilling, tables, workbench
from compressor.records.architecture import Precision
from compressor.records.evidence import Evidence, TrainingCurve
from compressor.records.latency import LatencyTable
from compressor.records.serial import load, save
from compressor.records.store import RunFolder
from compressor.records.training import TrainPlan
from compressor.train import loop


def student(folder: Path) -> bytes:
    return (run_folder(folder / "cache") / "student.safetensors").read_bytes()


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_second_run_takes_every_record_from_the_first(whole: Whole, tmp_path: Path) -> None:
    first, watcher = whole.outcome, Watcher()
    shutil.copytree(whole.cache, tmp_path / "cache")
    second = start(tmp_path, whole.request, watcher=watcher)
    assert watcher.cached == dict.fromkeys(STAGES, True)
    assert second.report == first.report
    assert f"the promises were measured at {first.report.date}, by an earlier start" in watcher.notes[-1]
    assert {path.name for path in second.bundle.iterdir()} == {path.name for path in first.bundle.iterdir()}
    for path in first.bundle.iterdir():
        assert (second.bundle / path.name).read_bytes() == path.read_bytes()


def test_fresh_forgets_every_record(whole: Whole, tmp_path: Path) -> None:
    watcher = Watcher()
    shutil.copytree(whole.cache, tmp_path / "cache")
    start(tmp_path, whole.request, watcher=watcher, fresh=True)
    assert watcher.cached == dict.fromkeys(STAGES, False)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"batch": 3}, {"sequence_length": 24}, {"precisions": (Precision.FP32,)}], ids=str
)
def test_another_request_is_another_run(whole: Whole, run: Run, change: dict[str, object]) -> None:
    watchers = Watcher(), Watcher()
    for watcher, asked in zip(watchers, (whole.request, replace(whole.request, **change)), strict=True):
        with pytest.raises(StoppedError):
            run(asked, watcher=watcher, stop_after="ladder")
    assert not any(watchers[1].cached.values())


def test_another_version_is_another_run(
    whole: Whole, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1", "2", "1"):
        monkeypatch.setattr(workbench, "__version__", version)
        with pytest.raises(StoppedError):
            run(whole.request, stop_after="prepare")
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 2


def test_stopped_after_every_stage_in_turn_it_ends_with_the_same_bits(whole: Whole, run: Run, tmp_path: Path) -> None:
    for stage in STAGES:
        watcher = Watcher()
        with pytest.raises(StoppedError):
            run(whole.request, watcher=watcher, stop_after=stage)
        assert [name for name, cached in watcher.cached.items() if not cached] == [stage]
    pieces = run(whole.request)
    assert student(tmp_path) == whole.student
    for name in (MODEL, ENGINE):
        assert (pieces.bundle / name).read_bytes() == (whole.outcome.bundle / name).read_bytes()
    assert pieces.report.verification.accuracy == whole.outcome.report.verification.accuracy


@pytest.mark.parametrize("stage", ["prepare", "table", "label", "score", "search", "distil", "export"])
def test_killed_while_a_stage_is_saved_it_ends_with_the_same_bits(
    whole: Whole, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """The stage has done its work, but its record is not on disk."""
    save = RunFolder.save

    def killed(folder: RunFolder, name: str, record: object) -> None:
        if name == stage:
            folder.file(f"{name}.json.partial").write_text("{", encoding="utf-8")
            raise KeyboardInterrupt
        save(folder, name, record)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RunFolder, "save", killed)
        run(whole.request)
    assert not (tmp_path / "bundle").exists()
    watcher = Watcher()
    run(whole.request, watcher=watcher)
    assert not watcher.cached[stage]
    assert student(tmp_path) == whole.student


def test_killed_behind_a_training_it_is_not_trained_again(
    whole: Whole, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RunFolder.save

    def killed(folder: RunFolder, name: str, record: object) -> None:
        if name == "distil":
            raise KeyboardInterrupt
        save(folder, name, record)

    def again(*args: object, **kwargs: object) -> None:
        raise AssertionError("trained again")

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RunFolder, "save", killed)
        run(whole.request)
    monkeypatch.setattr(distilling, "train", again)
    outcome = run(whole.request)
    assert student(tmp_path) == whole.student
    (training,) = load(Evidence, outcome.bundle / EVIDENCE).trainings
    assert (training.student, training.steps[-1]) == ("student", 50)


def test_killed_in_the_middle_of_the_training_it_ends_with_the_same_bits(
    whole: Whole, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plan, rate = distilling.plan, loop.learning_rate

    def often(*args: int, **kwargs: int) -> TrainPlan:
        return replace(make_plan(*args, **kwargs), checkpoint_steps=10)

    first = Watcher()

    def killed(plan: TrainPlan, step: int) -> float:
        if first.begun[-1] == "distil" and plan.steps == 50 and step == 25:  # the probe of the speed is shorter
            raise KeyboardInterrupt
        return rate(plan, step)

    monkeypatch.setattr(distilling, "plan", often)
    monkeypatch.setattr(loop, "REPORT_SECONDS", -1.0)  # after every step
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "learning_rate", killed)
        run(whole.request, watcher=first)
    folder = run_folder(tmp_path / "cache")
    choices = {line["name"]: line["value"] for line in json_lines(folder / "choices.jsonl")}
    assert choices["distil.steps"] == 50
    assert (folder / "checkpoint.safetensors").exists()
    steps: list[int] = []

    def counted(plan: TrainPlan, step: int) -> float:
        steps.append(step)
        return rate(plan, step)

    monkeypatch.setattr(loop, "learning_rate", counted)
    run(whole.request)
    assert sorted(set(steps)) == list(range(20, 50))  # from the checkpoint on, and the speed is not probed again
    assert student(tmp_path) == whole.student
    assert not (folder / "checkpoint.safetensors").exists()
    curve = load(TrainingCurve, folder / "curve.json")
    assert list(curve.steps) == list(range(1, 51))  # of both processes


def test_every_measurement_is_in_the_journal(whole: Whole) -> None:
    lines = json_lines(run_folder(whole.cache) / "measurements.jsonl")
    names = [(line["stage"], line["name"]) for line in lines]
    assert names[:2] == [("ladder", "fp32"), ("ladder", "int8")]
    assert names.count(("search", "trial")) >= 1
    assert names[-1] == ("verify", "student")
    p50_ms = whole.outcome.report.verification.latency.summary.p50_ms
    assert lines[-1]["latency"]["summary"]["p50_ms"] == p50_ms


def test_another_run_on_the_device_takes_the_table_but_nothing_else(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*args: object, **kwargs: object) -> None:
        raise AssertionError("the table was measured again")

    monkeypatch.setattr(tables, "measure_table", again)
    watcher = Watcher()
    with pytest.raises(StoppedError):
        run(ask(0.8 * teacher_ms[Precision.INT8]), watcher=watcher, stop_after="table")
    assert watcher.cached == {"prepare": False, "ladder": False, "table": False}


def test_a_kept_table_is_refitted_to_the_machine_as_it_is(
    ask: Ask, run: Run, tmp_path: Path, teacher_ms: Times
) -> None:
    (path,) = (tmp_path / "cache" / "tables").iterdir()
    kept = load(LatencyTable, path)
    calibration = replace(kept.calibration, scale=1.3 * kept.calibration.scale)
    save(replace(kept, calibration=calibration), path)
    with pytest.raises(StoppedError):
        run(ask(0.8 * teacher_ms[Precision.INT8]), stop_after="table")
    used = load(LatencyTable, run_folder(tmp_path / "cache") / "table.json")
    assert used.entries == kept.entries
    assert used.calibration.scale == pytest.approx(kept.calibration.scale, rel=0.01)


def test_a_table_from_a_machine_that_was_never_quiet_is_used_once_and_said_so(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = tables.measure_table

    def disturbed(*args: Any, **kwargs: Any) -> LatencyTable:
        return replace(measure(*args, **kwargs), disturbed_share=0.4)

    monkeypatch.setattr(tables, "measure_table", disturbed)
    watcher = Watcher()
    outcome = start(tmp_path, whole.request, watcher=watcher)
    assert outcome.report.chosen == "student"
    assert any("warning: the machine was never quiet while 40 % of the ops were measured" in n for n in watcher.notes)
    assert not (tmp_path / "cache" / "tables").exists()
