"""Names and models without a classifier in front of a run: resolved, fine-tuned once, continued, planned."""

import importlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub
from pipeline_runs import start, wanted
from tiny import BATCH, LABELS, Watcher, write_data

from compressor.errors import InputError
from compressor.pipeline import StoppedError, plan_for
from compressor.records.request import CompressRequest
from compressor.records.store import RunFolder
from compressor.records.training import TrainPlan
from compressor.teachers import load_teacher
from compressor.train import loop

finetuning: Any = importlib.import_module("compressor.pipeline.finetune")  # the package exports the function
STEPS = 28  # three passes over 600 rows in batches of 64


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetuning, "usable_threads", lambda: 1)


@pytest.fixture
def request_of(bare: Path, tiny_data: Path, target: Path) -> CompressRequest:
    """A request whose model has no classifier."""
    return wanted(bare, tiny_data, target, 5.0, time_budget_s=600.0)


def prepared(folder: Path, request: CompressRequest, **options: Any) -> Watcher:
    """A run up to its first stage."""
    watcher = Watcher()
    with pytest.raises(StoppedError):
        start(folder, request, watcher=watcher, stop_after="prepare", **options)
    return watcher


def made(folder: Path) -> Path:
    """The only teacher in a cache."""
    (teacher,) = (folder / "cache" / "teachers").glob("*/teacher")
    return teacher


def test_a_model_without_a_classifier_is_fine_tuned_first(tmp_path: Path, request_of: CompressRequest) -> None:
    first = prepared(tmp_path, request_of)
    assert first.begun == ["finetune", "prepare"]
    assert any(note.startswith(f"{STEPS} steps at ") and ", about " in note for note in first.notes)
    assert first.shares[-1] == ("finetune", 1.0)
    teacher = load_teacher(made(tmp_path))
    assert teacher.label_names == ("0", "1")
    (note,) = (note for note in first.notes if note.startswith("teacher: accuracy "))
    assert float(note.split()[2]) > 80
    assert sorted(path.name for path in made(tmp_path).parent.iterdir()) == [
        "choices.jsonl",
        "finetune.json",
        "lock",
        "teacher",
    ]
    second = prepared(tmp_path, request_of)
    assert second.cached == {"finetune": True, "prepare": True}
    assert note in second.notes


def test_another_seed_is_another_teacher(tmp_path: Path, request_of: CompressRequest) -> None:
    prepared(tmp_path, request_of)
    prepared(tmp_path, replace(request_of, seed=1))
    assert len(list((tmp_path / "cache" / "teachers").glob("*/teacher"))) == 2


def test_killed_in_the_middle_it_ends_with_the_same_bits(
    tmp_path: Path, request_of: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, steps = loop.learning_rate, list[int]()
    prepared(tmp_path / "whole", request_of)
    monkeypatch.setattr(finetuning, "CHECKPOINT_SECONDS", 0.0)  # after every step

    def killed(plan: TrainPlan, step: int) -> float:
        if plan.steps == STEPS and step == 11:
            raise KeyboardInterrupt
        return rate(plan, step)

    def counted(plan: TrainPlan, step: int) -> float:
        steps.append(step)
        return rate(plan, step)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "learning_rate", killed)
        prepared(tmp_path, request_of)
    assert not list(tmp_path.glob("cache/teachers/*/teacher"))
    monkeypatch.setattr(loop, "learning_rate", counted)
    watcher = prepared(tmp_path, request_of)
    assert not watcher.cached["finetune"]
    assert sorted(set(steps)) == list(range(11, STEPS))  # the speed is not measured again
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (made(tmp_path) / name).read_bytes() == (made(tmp_path / "whole") / name).read_bytes()


def test_killed_behind_the_training_it_is_not_trained_again(
    tmp_path: Path, request_of: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: RunFolder, name: str, record: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RunFolder, "save", killed)
        prepared(tmp_path, request_of)

    def again(*args: object, **kwargs: object) -> None:
        raise AssertionError("trained again")

    weights = (made(tmp_path) / "model.safetensors").read_bytes()
    monkeypatch.setattr(finetuning, "train", again)
    prepared(tmp_path, request_of)
    assert (made(tmp_path) / "model.safetensors").read_bytes() == weights


def test_it_takes_at_most_half_of_the_time_budget(
    tmp_path: Path, request_of: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "MIN_STEPS", 1)
    monkeypatch.setattr(finetuning, "examples_per_second", lambda *args, **kwargs: 6.4)  # ten seconds a step
    watcher = prepared(tmp_path, replace(request_of, time_budget_s=400.0))
    (note,) = (note for note in watcher.notes if "as the time budget allows" in note)
    assert 15 <= int(note.split()[0]) <= 20
    assert f"as many of {STEPS} as" in note
    assert not any("overdrawn" in note for note in watcher.notes)


def test_the_least_training_that_the_time_budget_has_no_room_for_says_so(
    tmp_path: Path, request_of: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "examples_per_second", lambda *args, **kwargs: 64 * STEPS / 500)
    watcher = prepared(tmp_path, request_of)  # ten minutes, half of them for the teacher
    (note,) = (note for note in watcher.notes if "overdrawn" in note)
    assert "takes about 8m20s, the least that works, and " in note
    assert re.search(r"longer by [67]m\d\ds would be enough$", note)


def test_a_teacher_that_had_too_little_time_is_made_anew_with_more(
    tmp_path: Path, request_of: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "MIN_STEPS", 1)
    monkeypatch.setattr(finetuning, "examples_per_second", lambda *args, **kwargs: 6.4)  # ten seconds a step
    hurried = replace(request_of, time_budget_s=120.0)
    prepared(tmp_path, hurried)
    steps = RunFolder(made(tmp_path).parent).chosen("finetune.steps")
    assert 1 <= steps <= 6
    first = (made(tmp_path) / "model.safetensors").read_bytes()
    again = prepared(tmp_path, hurried)  # the same command goes on with the teacher that it began with
    assert again.cached["finetune"]
    assert any(f"was trained for {steps} of {STEPS} steps" in note for note in again.notes)
    assert any("a longer --time-budget does more" in note for note in again.notes)
    leisurely = replace(request_of, time_budget_s=1200.0)
    longer = prepared(tmp_path, leisurely)
    assert not longer.cached["finetune"]
    assert any(f"it is trained anew, for about {STEPS}" in note for note in longer.notes)
    assert (made(tmp_path) / "model.safetensors").read_bytes() != first
    last = prepared(tmp_path, hurried)  # the better teacher is there now
    assert last.cached["finetune"]
    assert not any("was trained for" in note for note in last.notes)


def test_a_plan_with_more_time_has_the_training_again(
    tmp_path: Path, request_of: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "MIN_STEPS", 1)
    monkeypatch.setattr(finetuning, "examples_per_second", lambda *args, **kwargs: 6.4)
    prepared(tmp_path, replace(request_of, time_budget_s=120.0))
    for seconds, first in ((120.0, "prepare"), (1200.0, "finetune")):
        request = replace(request_of, time_budget_s=seconds)
        plan = plan_for(request, cache=tmp_path / "cache", observer=Watcher())
        assert plan.stages[0].name == first


@pytest.mark.parametrize("rows", [9, 19])
def test_data_that_cannot_be_split_is_refused_before_the_training(
    tmp_path: Path, request_of: CompressRequest, rows: int
) -> None:
    data = write_data(tmp_path / "data", {"train": rows, "dev": 20})
    watcher = Watcher()
    with pytest.raises(InputError, match=rf"cannot carve .* out of {rows} training rows for `selection`, .* at least"):
        start(tmp_path, replace(request_of, data=str(data)), watcher=watcher)
    assert watcher.begun == []


def test_the_plan_has_the_stage_and_trains_nothing(tmp_path: Path, request_of: CompressRequest) -> None:
    cache, watcher = tmp_path / "cache", Watcher()
    plan = plan_for(request_of, cache=cache, observer=watcher)
    assert [stage.name for stage in plan.stages][:2] == ["finetune", "prepare"]
    assert not plan.stages[0].if_needed
    assert 0 < plan.stages[0].seconds <= 300.0
    assert watcher.begun == []
    prepared(tmp_path, request_of)
    again = plan_for(request_of, cache=cache, observer=watcher)
    assert again.stages[0].name == "prepare"


def test_a_bad_stage_is_refused_before_anything_is_trained(tmp_path: Path, request_of: CompressRequest) -> None:
    watcher = Watcher()
    with pytest.raises(InputError, match="--stop-after: expected one of"):
        start(tmp_path, request_of, watcher=watcher, stop_after="finetune")
    assert watcher.begun == []


def test_names_of_the_hub_and_a_checkpoint_that_names_no_classes(
    tmp_path: Path, hub: Hub, tiny_teacher: Path, tiny_data: Path, target: Path
) -> None:
    config = json.loads((tiny_teacher / "config.json").read_text())
    config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1"}
    files = {name: (tiny_teacher / name).read_bytes() for name in ("tokenizer.json", "model.safetensors")}
    hub.add("model", "org/model", {**files, "config.json": json.dumps(config).encode()})
    classes = {str(index): name for index, name in enumerate(LABELS)}
    features = [{"name": "label", "dtype": {"class_label": {"names": classes}}}]
    card = f"---\ndataset_info: {json.dumps({'features': features})}\n---\n".encode()
    splits = {f"{split}.tsv": (tiny_data / f"{split}.tsv").read_bytes() for split in ("train", "dev", "test")}
    hub.add("dataset", "org/set", {**splits, "README.md": card})
    request = replace(wanted(tiny_teacher, tiny_data, target, 5.0), teacher="org/model", data="org/set")
    watcher = prepared(tmp_path, request)
    assert watcher.begun == ["fetch", "fetch", "prepare"]
    (run,) = (tmp_path / "cache" / "runs").iterdir()
    record = json.loads((run / "prepare.json").read_text())
    assert record["task"]["label_names"] == list(LABELS)
    assert record["workload"]["batch"] == BATCH
    hub.status = 503
    assert prepared(tmp_path, request).cached == {"prepare": True}
