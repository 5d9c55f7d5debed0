"""Whole runs whose accuracy is not that of labelled classes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder
from safetensors.torch import load_file, save_file
from scipy.stats import pearsonr
from tiny import ROWS, read_split

from compressor.distill.recipe import MOST_COPIES
from compressor.errors import ExitCode, InputError
from compressor.export import EVALUATION, EvaluationData
from compressor.pipeline import StoppedError
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.serial import load
from compressor.records.stages import Prepared
from compressor.runtimes.fake import FakeDevice
from compressor.tasks import Tokens
from compressor.tasks.outputs import engine_outputs
from compressor.teachers import load_teacher


@pytest.fixture
def texts_only(tiny_data: Path, tmp_path: Path) -> Path:
    """The texts of the tiny task."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for split in ("train", "dev"):
        lines = (tiny_data / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        (folder / f"{split}.txt").write_text("\n".join(line.split("\t")[0] for line in lines), encoding="utf-8")
    return folder


def test_without_labels_the_teacher_is_the_measure(ask: Ask, run: Run, teacher_ms: Times, texts_only: Path) -> None:
    request = replace(ask(1.2 * teacher_ms[Precision.INT8]), data=str(texts_only), metric="agreement")
    outcome = run(request)
    assert outcome.exit_code is ExitCode.MET
    data = EvaluationData.load(outcome.bundle / EVALUATION)
    np.testing.assert_array_equal(data.targets.values, data.teacher.argmax(1))
    accuracy = outcome.report.verification.accuracy
    assert accuracy.rows == ROWS["dev"]
    assert accuracy.points == pytest.approx(100 * np.mean(data.engine.argmax(1) == data.teacher.argmax(1)))
    assert accuracy.drop_points == pytest.approx(100 - accuracy.points)
    assert outcome.report.rows[0].accuracy_points == 100.0


def test_without_labels_agreement_has_to_be_asked_for(ask: Ask, run: Run, texts_only: Path) -> None:
    with pytest.raises(InputError, match=r"train.txt: expected labels .* --min-agreement 98%"):
        run(replace(ask(1.0), data=str(texts_only)))


def test_more_texts_are_learnt_from_and_never_judged_by(
    ask: Ask, run: Run, teacher_ms: Times, tiny_data: Path, texts_only: Path, tmp_path: Path
) -> None:
    data = tmp_path / "both"
    shutil.copytree(tiny_data, data)
    shutil.copyfile(texts_only / "dev.txt", data / "unlabelled.txt")
    (data / "dev.tsv").unlink()
    with pytest.raises(StoppedError):
        run(replace(ask(TIGHT * teacher_ms[Precision.INT8]), data=str(data)), stop_after="label")
    folder = run_folder(tmp_path / "cache")
    prepared = load(Prepared, folder / "prepare.json")
    selection = ROWS["train"] // 10
    rows = ROWS["train"] - selection + ROWS["dev"]
    assert prepared.rows == {"train": rows, "selection": selection, "evaluation": ROWS["test"]}
    copied = (1 + MOST_COPIES) * rows
    assert len(np.load(folder / "logits.npy")) == len(Tokens.load(folder / "tokens")) == copied


@pytest.fixture
def scoring(tiny_teacher: Path, tiny_data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A teacher with the first output of the tiny one only, and data with its own answers and some noise."""
    teacher, data = tmp_path / "scoring", tmp_path / "scores"
    shutil.copytree(tiny_teacher, teacher)
    config = json.loads((teacher / "config.json").read_text(encoding="utf-8"))
    names = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    (teacher / "config.json").write_text(json.dumps({**config, **names}), encoding="utf-8")
    weights = load_file(teacher / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name][:1].clone()
    save_file(weights, teacher / "model.safetensors", metadata={"format": "pt"})
    data.mkdir()
    graph = load_teacher(teacher).encoder.emit().SerializeToString()
    engine, random = FakeDevice().compile(graph, CompileOptions(1)), np.random.default_rng(0)
    for split in ("train", "test"):
        tokens, _ = read_split(tiny_teacher, tiny_data, split)
        scores = engine_outputs(engine, tokens, pad_id=0)[:, 0] + random.normal(size=len(tokens))
        lines = (tiny_data / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
        rows = [f"{line.split(chr(9))[0]}\t{score:.3f}" for line, score in zip(lines[1:], scores, strict=True)]
        (data / f"{split}.tsv").write_text("\n".join([lines[0], *rows]), encoding="utf-8")
    return teacher, data


def test_a_teacher_of_one_output_is_judged_by_correlation(
    ask: Ask, run: Run, teacher_ms: Times, scoring: tuple[Path, Path]
) -> None:
    teacher, data = scoring
    outcome = run(replace(ask(1.2 * teacher_ms[Precision.INT8]), teacher=str(teacher), data=str(data)))
    found = EvaluationData.load(outcome.bundle / EVALUATION)
    accuracy = outcome.report.verification.accuracy
    assert (outcome.report.task.kind, accuracy.metric, accuracy.agreement) == ("regression", "pearson", None)
    assert accuracy.points == pytest.approx(
        100 * pearsonr(found.engine[:, 0], found.targets.values).statistic, abs=1e-3
    )
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.precision is Precision.INT8
