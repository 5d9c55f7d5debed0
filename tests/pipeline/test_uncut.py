"""Teachers of families without an adapter through whole runs: compiled, quantised, verified, or infeasible."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from foreign_models import saved
from onnx import numpy_helper
from pipeline_runs import start, wanted
from tiny import BATCH, LENGTH, Watcher, read_split, write_tokenizer

import compressor
from compressor.errors import ExitCode, InfeasibleError, InputError
from compressor.export import MODEL, REPORT
from compressor.pipeline import finishing, plan_for, stages, workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.records.results import COMPILED, ROW_NAMES, Report
from compressor.records.serial import load
from compressor.report import verdict_line
from compressor.runtimes import open_device
from compressor.runtimes.fake import FakeDevice
from compressor.tasks import TextTokenizer
from compressor.tasks.feeds import workload_feeds
from compressor.teachers import FAMILIES, ForeignModel, ForeignTeacher, open_teacher
from compressor.verification import read_manifest, verify_bundle

pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
# Random weights answer at random: what quantising does to such answers is not what is looked at here.
LOOSE_POINTS = 30.0


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ForeignTeacher]:
    """Teachers of three families with a tokenizer, and their latencies on the fake device."""
    found = {}
    for name in ("albert", "deberta-v2", "squeezebert"):
        folder = tmp_path_factory.mktemp("foreign") / name
        saved(name, folder)
        write_tokenizer(folder)
        teacher = open_teacher(folder)
        assert isinstance(teacher, ForeignTeacher)
        found[name] = teacher
    return found


@pytest.fixture(autouse=True)
def _exported_once(families: dict[str, ForeignTeacher], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds; every run but those on this machine's own clock takes the graphs that are there."""
    known = {teacher.folder: teacher for teacher in families.values()}
    monkeypatch.setattr(workbench, "open_teacher", lambda folder: known[folder])


def virtual_ms(teacher: ForeignTeacher, data: Path, precision: Precision) -> float:
    """Of the teacher on the fake device, found by running it once."""
    device = FakeDevice()
    feeds = workload_feeds(read_split(teacher.folder, data, "test")[0], Workload(BATCH, LENGTH, 1), count=1)[0]
    engine = device.compile(apply_precision(teacher.encoder.emit(), precision).SerializeToString(), CompileOptions(1))
    begin = device.clock()
    engine.run({name: feeds[name] for name in engine.inputs})
    return (device.clock() - begin) / 1e6


@pytest.mark.parametrize("name", ["albert", "deberta-v2"])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_the_first_rung_that_keeps_the_limit_becomes_a_bundle(
    name: str, precision: Precision, families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    teacher, watcher = families[name], Watcher()
    limit_ms = 1.1 * virtual_ms(teacher, tiny_data, precision)
    request = wanted(teacher.folder, tiny_data, target, limit_ms, max_accuracy_drop_points=LOOSE_POINTS)
    outcome = start(tmp_path, request, watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert watcher.begun == ["prepare", "ladder", "export", "verify", "compare", "report"]
    report = load(Report, outcome.bundle / REPORT)
    assert (report.chosen, report.precision) == (ROW_NAMES[precision], precision)
    assert (report.architecture, report.teacher_layers) == (None, ())
    assert report.verification.numerics.emitted_difference < 1e-4
    assert verdict_line(report).endswith(f"{precision}, as exported (its family has no adapter)")
    manifest = read_manifest(outcome.bundle)
    assert (manifest.inputs, manifest.max_length) == (teacher.encoder.inputs, 40)
    again = verify_bundle(outcome.bundle, open_device("fake"), manifest=manifest)
    assert again.verdict == report.verification.verdict
    assert again.accuracy.points == report.verification.accuracy.points


@pytest.mark.heavy
def test_a_bundle_answers_as_transformers(
    families: dict[str, ForeignTeacher], tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the folder on, on this machine's own runtime and clock, with the eager baseline."""
    monkeypatch.setattr(workbench, "open_teacher", open_teacher)
    teacher = families["albert"]
    outcome = start(tmp_path, wanted(teacher.folder, tiny_data, Path("cpu"), 200.0))
    assert outcome.exit_code is ExitCode.MET
    accuracies = {row.name: row.accuracy_points for row in outcome.report.rows}
    assert accuracies["teacher, eager PyTorch"] == accuracies[COMPILED]
    text = "the film was not good"
    answer = compressor.load(outcome.bundle)([text])[0]
    ids = TextTokenizer(teacher.folder).encode([(text,)], max_length=40).padded([0], 0)
    with torch.inference_mode():
        logits = teacher.encoder(*(torch.from_numpy(ids[name]) for name in teacher.encoder.inputs))
    np.testing.assert_allclose(list(answer.scores.values()), logits.softmax(-1)[0].numpy(), atol=1e-5)


def test_a_limit_that_only_a_cut_could_keep_is_infeasible(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    teacher, watcher = families["albert"], Watcher()
    int8_ms = virtual_ms(teacher, tiny_data, Precision.INT8)
    request = wanted(teacher.folder, tiny_data, target, 0.8 * int8_ms, max_accuracy_drop_points=LOOSE_POINTS)
    with pytest.raises(InfeasibleError, match=r"it cannot be cut: its family 'albert' has no adapter") as caught:
        start(tmp_path, request, watcher=watcher)
    assert str(caught.value).endswith(", ".join(FAMILIES))
    assert caught.value.exit_code is ExitCode.INFEASIBLE
    assert watcher.begun == ["prepare", "ladder"]
    assert int8_ms < caught.value.nearest_ms < virtual_ms(teacher, tiny_data, Precision.FP32)
    assert "as the teacher in int8" in caught.value.cost
    nearest = wanted(teacher.folder, tiny_data, target, caught.value.nearest_ms, max_accuracy_drop_points=LOOSE_POINTS)
    assert start(tmp_path, nearest, output="nearest").exit_code is ExitCode.MET


def test_the_nearest_limit_keeps_the_other_promises(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    """int8 loses too much here, so the nearest limit is one that fp32 keeps."""
    teacher = families["albert"]
    limit_ms = 0.8 * virtual_ms(teacher, tiny_data, Precision.INT8)
    request = wanted(teacher.folder, tiny_data, target, limit_ms)
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(InfeasibleError) as caught:
        monkeypatch.setattr(stages, "selection_drop", lambda *given: 5.0)
        start(tmp_path, request)
    assert caught.value.nearest_ms > virtual_ms(teacher, tiny_data, Precision.FP32)
    assert caught.value.cost.startswith("0.00 points of accuracy on the selection split")
    assert "int8: p95" in str(caught.value) and "drop 5.00 points" in str(caught.value)


def test_a_rung_that_misses_on_verification_is_reported_as_missed(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    """Built, but missed: exit code 4, not 3."""
    teacher = families["albert"]
    limit_ms = 1.1 * virtual_ms(teacher, tiny_data, Precision.FP32)
    request = wanted(teacher.folder, tiny_data, target, limit_ms, max_accuracy_drop_points=LOOSE_POINTS)
    engine = finishing.write_models

    def slow(folder: Path, *given: Any) -> CompileOptions:
        """As slow as ten times as many nodes are."""
        options = engine(folder, *given)
        path = folder / "engine.onnx"
        model = onnx.load_model(path)
        model.graph.node.extend(
            onnx.helper.make_node("Identity", ["logits"], [f"idle{index}"]) for index in range(5000)
        )
        onnx.save_model(model, path)
        return options

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(finishing, "write_models", slow)
        outcome = start(tmp_path, request)
    assert outcome.exit_code is ExitCode.MISSED
    assert outcome.report.evaluation_reads == 2
    assert outcome.report.chosen == ROW_NAMES[Precision.INT8]


def test_without_a_limit_the_fastest_rung_is_taken(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    watcher = Watcher()
    request = wanted(
        families["albert"].folder,
        tiny_data,
        target,
        None,
        time_budget_s=600.0,
        max_accuracy_drop_points=LOOSE_POINTS,
    )
    outcome = start(tmp_path, request, watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.chosen == ROW_NAMES[Precision.INT8]
    assert any("it cannot be cut" in note for note in watcher.notes)


def test_a_graph_without_products_to_quantise_has_one_rung(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    watcher = Watcher()
    request = wanted(families["squeezebert"].folder, tiny_data, target, 1e3)
    outcome = start(tmp_path, request, watcher=watcher)
    assert [row.name for row in outcome.report.rows] == [COMPILED]
    assert "no teacher in int8: its graph has no product with a constant matrix" in watcher.notes


def test_only_a_precision_that_it_cannot_have_is_refused(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    request = replace(wanted(families["squeezebert"].folder, tiny_data, target, 1e3), precisions=(Precision.INT8,))
    with pytest.raises(InputError, match="--precision: this teacher needs fp32 among them, got int8"):
        start(tmp_path, request)


@pytest.mark.parametrize("fault", ["other weights", "one length"])
def test_an_unfaithful_export_is_refused_before_anything_is_measured(
    fault: str,
    families: dict[str, ForeignTeacher],
    tiny_data: Path,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = onnx.ModelProto()
    graph.CopyFrom(families["albert"].encoder.emit())
    if fault == "other weights":
        tensor = next(t for t in graph.graph.initializer if t.name.endswith("classifier.bias"))
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(0.01), tensor.name))
    else:
        for value in graph.graph.input:
            value.type.tensor_type.shape.dim[1].dim_value = 12
    monkeypatch.setattr(ForeignModel, "emit", lambda self: graph)
    watcher = Watcher()
    with pytest.raises(
        InputError, match=r"its exported graph (differs from torch by 0.01|does not run on .* rows of length )"
    ):
        start(tmp_path, wanted(families["albert"].folder, tiny_data, target, 1e3), watcher=watcher)
    assert watcher.begun == ["prepare"]
    assert not (tmp_path / "bundle").exists()


def test_the_plan_has_no_stage_that_cuts(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    request = wanted(families["albert"].folder, tiny_data, target, 1.0)
    plan = plan_for(request, cache=tmp_path / "cache", observer=Watcher())
    assert [stage.name for stage in plan.stages] == ["prepare", "ladder", "export", "verify", "compare", "report"]
    assert "compiled and quantised only, the teacher's family cannot be cut" in plan.summary


def test_the_config_of_a_bundle_is_the_teachers(
    families: dict[str, ForeignTeacher], tiny_data: Path, target: Path, tmp_path: Path
) -> None:
    teacher = families["deberta-v2"]
    outcome = start(tmp_path, wanted(teacher.folder, tiny_data, target, 1e3))
    assert json.loads((outcome.bundle / "config.json").read_text(encoding="utf-8")) == teacher.config
    onnx.checker.check_model(onnx.load_model(outcome.bundle / MODEL), full_check=True)
