"""Whole runs on the fake device: real training of tiny models, virtual latencies."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pipeline_runs import TIGHT, Ask, Run, Times, Whole, start, wanted
from safetensors.torch import load_file, save_file
from tiny import BATCH, LENGTH, SHAPE, Watcher, read_split, write_profile
from tiny import config as config_of

from compressor.distill import recipe
from compressor.encoder import Encoder
from compressor.pipeline import Outcome, distilling, searching, workbench
from compressor.precision import apply_precision
from compressor.profiles import fingerprint
from compressor.records.architecture import Layer, Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.records.request import CompressRequest
from compressor.runtimes import opening
from compressor.runtimes.fake import FakeDevice
from compressor.tasks.feeds import workload_feeds
from compressor.teachers import load_teacher
from compressor.teachers.bert import names


def one_quiet_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """One core, so that training needs no processes; no noise, so that a second run measures what the first did."""
    here = replace(fingerprint(), usable_cores=1)
    monkeypatch.setattr(workbench, "fingerprint", lambda: here)
    monkeypatch.setitem(opening.DEVICES, "fake", FakeDevice)
    # A race as short as may be, whatever the speed of the machine: its length depends on the clock otherwise.
    monkeypatch.setattr(recipe, "RACE_ROWS", recipe.MIN_STEPS * recipe.BATCH)
    monkeypatch.setattr(distilling, "RACE_SHARE", 0.9)
    monkeypatch.setattr(searching, "FINALISTS_SHARE", 10.0)


@pytest.fixture(autouse=True)
def _one_quiet_core(monkeypatch: pytest.MonkeyPatch) -> None:
    one_quiet_core(monkeypatch)


@pytest.fixture(scope="session")
def teacher_ms(tiny_teacher: Path, tiny_data: Path) -> Times:
    """Virtual milliseconds of the unpruned teacher, found by running it once."""
    device, found = FakeDevice(), {}
    feeds = workload_feeds(read_split(tiny_teacher, tiny_data, "test")[0], Workload(BATCH, LENGTH, 1), count=1)[0]
    encoder = load_teacher(tiny_teacher).encoder
    for precision in (Precision.FP32, Precision.INT8):
        engine = device.compile(apply_precision(encoder.emit(), precision).SerializeToString(), CompileOptions(1))
        begin = device.clock()
        engine.run(feeds)
        found[precision] = (device.clock() - begin) / 1e6
    assert found[Precision.INT8] < 0.7 * found[Precision.FP32]
    return found


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of the fake device."""
    return write_profile(tmp_path_factory.mktemp("target"))


@pytest.fixture
def ask(tiny_teacher: Path, tiny_data: Path, target: Path) -> Ask:
    """A request for the tiny teacher with this limit."""

    def make(max_latency_ms: float | None, **fields: Any) -> CompressRequest:
        return wanted(tiny_teacher, tiny_data, target, max_latency_ms, **fields)

    return make


@pytest.fixture(scope="session")
def whole(
    tiny_teacher: Path, tiny_data: Path, target: Path, teacher_ms: Times, tmp_path_factory: pytest.TempPathFactory
) -> Whole:
    """An uninterrupted run to a student, made once."""
    folder, watcher = tmp_path_factory.mktemp("whole"), Watcher()
    request = wanted(tiny_teacher, tiny_data, target, TIGHT * teacher_ms[Precision.INT8])
    with pytest.MonkeyPatch.context() as monkeypatch:
        one_quiet_core(monkeypatch)
        outcome = start(folder, request, watcher=watcher)
    return Whole(request, folder / "cache", outcome, watcher)


@pytest.fixture
def run(tmp_path: Path, whole: Whole) -> Run:
    """`compress` with a cache of the test's own, in which only the latency table is there already."""
    shutil.copytree(whole.cache / "tables", tmp_path / "cache" / "tables")

    def begin(request: CompressRequest, **options: Any) -> Outcome:
        return start(tmp_path, request, **options)

    return begin


@pytest.fixture
def bare(tiny_teacher: Path, tmp_path: Path) -> Path:
    """The tiny teacher as a sentence encoder is saved: no classifier, names without the family's prefix."""
    folder = tmp_path / "bare"
    folder.mkdir()
    weights = {
        name.removeprefix("bert."): tensor
        for name, tensor in load_file(tiny_teacher / "model.safetensors").items()
        if not name.startswith("classifier")
    }
    save_file(weights, folder / "model.safetensors")
    config = json.loads((tiny_teacher / "config.json").read_text())
    for field in ("id2label", "label2id"):
        config.pop(field, None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_bytes((tiny_teacher / "tokenizer.json").read_bytes())
    return folder


@pytest.fixture
def narrow(tiny_teacher: Path, tmp_path: Path) -> Path:
    """A network with random weights and the teacher's tokens, of which every part is half as wide."""
    folder = tmp_path / "narrow"
    folder.mkdir()
    shape = replace(SHAPE, hidden=SHAPE.hidden // 2, layers=(Layer(heads=2, neurons=32),) * len(SHAPE.layers))
    torch.manual_seed(0)
    weights, theirs = Encoder(shape).state_dict(), names(shape)
    save_file({theirs[ours]: tensor.contiguous() for ours, tensor in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config_of(shape)), encoding="utf-8")
    (folder / "tokenizer.json").write_bytes((tiny_teacher / "tokenizer.json").read_bytes())
    return folder


@pytest.fixture
def shallow(bare: Path, tmp_path: Path) -> Path:
    """The tiny teacher without its classifier and its last layer."""
    folder = tmp_path / "shallow"
    shutil.copytree(bare, folder)
    plain = json.loads((folder / "config.json").read_text())
    last = plain["num_hidden_layers"] - 1
    (folder / "config.json").write_text(json.dumps(plain | {"num_hidden_layers": last}))
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if f"layer.{last}." not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors")
    return folder
