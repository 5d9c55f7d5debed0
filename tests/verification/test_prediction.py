"""A bundle on text: the answers are those of the exported engine on the evaluation data."""

import json
from pathlib import Path

import numpy as np
import pytest
from bundles import edit_manifest, make_bundle
from tiny import LABELS

import compressor
from compressor.errors import InputError
from compressor.export import ENGINE, EVALUATION, EvaluationData
from compressor.records.serial import load
from compressor.records.task import TaskSpec
from compressor.verification import Predictor


@pytest.fixture(scope="module")
def bundle(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny teacher in int8."""
    folder = tmp_path_factory.mktemp("predict") / "bundle"
    make_bundle(folder, tiny_teacher, tiny_data)
    return folder


@pytest.fixture
def sentences(tiny_data: Path) -> list[str]:
    """The first test sentences, in the order of the evaluation data."""
    lines = (tiny_data / "test.tsv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split("\t").index("sentence")
    return [line.split("\t")[column] for line in lines[1:21]]


def test_answers_are_the_softmax_of_the_recorded_logits(bundle: Path, sentences: list[str]) -> None:
    recorded = EvaluationData.load(bundle / EVALUATION).engine[: len(sentences)].astype(np.float64)
    wanted = np.exp(recorded) / np.exp(recorded).sum(1, keepdims=True)
    answers = compressor.load(bundle)(sentences)
    np.testing.assert_allclose([[a.scores[name] for name in LABELS] for a in answers], wanted, atol=1e-6)
    assert [a.label for a in answers] == [LABELS[i] for i in wanted.argmax(1)]
    assert [a.score for a in answers] == [max(a.scores.values()) for a in answers]


def test_nothing_in_gives_nothing_out(bundle: Path) -> None:
    assert Predictor(bundle)([]) == []


def test_a_text_alone_is_no_list_of_texts(bundle: Path) -> None:
    with pytest.raises(InputError, match=r"expected a list of texts, got the text 'a fine film'; put it into a list"):
        compressor.load(bundle)("a fine film")


def test_a_pair_for_single_texts_is_refused(bundle: Path) -> None:
    with pytest.raises(InputError, match="answers single texts"):
        Predictor(bundle)([("one", "two")])


def test_a_single_text_for_pairs_is_refused(bundle: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "pairs"
    shutil.copytree(bundle, copy)
    task = load(type(Predictor(bundle).manifest), bundle / "manifest.json").task
    pairs = TaskSpec(task.kind, ("a", "b"), "label", task.label_names, task.metric, task.eval_split)
    edit_manifest(copy, task=pairs)
    with pytest.raises(InputError, match="answers pairs of texts"):
        Predictor(copy)(["one"])


def test_a_changed_engine_is_not_run(bundle: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "changed"
    shutil.copytree(bundle, copy)
    with (copy / ENGINE).open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(InputError, match=f"{ENGINE} has changed since it was verified"):
        compressor.load(copy)


def test_the_command_answers_lines_of_a_file_as_json(
    bundle: Path, sentences: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from compressor.cli.app import run

    file = tmp_path / "texts.txt"
    file.write_text("\n".join([*sentences[:3], "", ""]), encoding="utf-8")
    assert run(["predict", str(bundle), str(file)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == sentences[:3]
    assert run(["predict", str(bundle), sentences[0]]) == 0
    assert json.loads(capsys.readouterr().out) == lines[0]
    file.write_bytes(b"caf\xe9")
    assert run(["predict", str(bundle), str(file)]) == 2
    assert "is not UTF-8 text: byte 3" in capsys.readouterr().err


def test_a_tab_and_a_line_separator_are_parts_of_a_single_text(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from compressor.cli.app import run

    texts = ["the film\twas good", "it was\u2028dull"]
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(texts), encoding="utf-8")
    assert run(["predict", str(bundle), str(file)]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.strip().split("\n")] == texts
    assert run(["predict", str(bundle), texts[0]]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == texts[0]
