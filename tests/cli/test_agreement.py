"""`--min-agreement`: the accuracy budget of data without labels, and of labels that are not to be used."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def texts_only(tiny_data: Path, tmp_path: Path) -> Path:
    """The tiny data's sentences without their labels."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for file in tiny_data.glob("*.tsv"):
        rows = [line.split("\t")[0] for line in file.read_text(encoding="utf-8").splitlines()[1:]]
        (folder / f"{file.stem}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("labelled", [True, False])
def test_the_teacher_agrees_with_itself(
    compress: Any, texts_only: Path, tiny_data: Path, tmp_path: Path, labelled: bool
) -> None:
    ended = compress("--data", tiny_data if labelled else texts_only, "--min-agreement", "98%", "--max-latency", "1s")
    assert ended.code == 0, ended.err
    assert "agreement met: 100.00 % of the answers are the teacher's" in ended.out
    assert "promised 98 %" in ended.out
    report = json.loads((tmp_path / "bundle" / "report.json").read_text(encoding="utf-8"))
    assert report["task"]["metric"] == "agreement"
    assert report["budget"]["max_accuracy_drop_points"] == 2.0


def test_data_without_labels_needs_it(compress: Any, texts_only: Path) -> None:
    ended = compress("--data", texts_only, "--max-latency", "1s")
    assert ended.code == 2
    assert "--min-agreement 98%" in ended.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--min-agreement", "98"), "--min-agreement: expected a positive number with a unit (%), such as 98%"),
        (("--min-agreement", "101%"), "--min-agreement: expected at most 100%, got '101%'"),
        (("--min-agreement", "98%", "--metric", "f1"), "--min-agreement is the whole accuracy budget"),
        (("--min-agreement", "98%", "--max-accuracy-drop", "1"), "--min-agreement is the whole accuracy budget"),
        (("--task", "regression"), "--task: the teacher's config.json says text-classification, got regression"),
    ],
)
def test_what_contradicts_itself_is_refused(compress: Any, flags: tuple[str, ...], message: str) -> None:
    ended = compress(*flags, "--max-latency", "1s")
    assert ended.code == 2
    assert message in ended.err
