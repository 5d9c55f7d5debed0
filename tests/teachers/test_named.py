"""Names for the classes of a checkpoint that has none."""

import json
from pathlib import Path
from typing import Any

import pytest

from compressor.teachers import load_teacher
from compressor.teachers.named import with_class_names

NAMES = ("dreadful", "splendid")


@pytest.fixture
def unnamed(tiny_teacher: Path, tmp_path: Path) -> Any:
    """The tiny teacher with these names in its config.json."""

    def make(names: dict[str, str] | None) -> Path:
        folder = tmp_path / "unnamed"
        folder.mkdir()
        for file in tiny_teacher.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text())
        del config["id2label"], config["label2id"]
        if names is not None:
            config["id2label"] = names
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return make


@pytest.mark.parametrize("names", [None, {"0": "LABEL_0", "1": "LABEL_1"}, {"0": "0", "1": "1"}])
def test_classes_without_a_name_get_one(unnamed: Any, tmp_path: Path, names: dict[str, str] | None) -> None:
    model = unnamed(names)
    before = (model / "config.json").read_bytes()
    named = with_class_names(model, NAMES, cache=tmp_path / "cache")
    assert load_teacher(named).label_names == NAMES
    assert json.loads((named / "config.json").read_text())["label2id"] == {"dreadful": 0, "splendid": 1}
    state, theirs = load_teacher(named).encoder.state_dict(), load_teacher(model).encoder.state_dict()
    assert all((state[name] == theirs[name]).all() for name in theirs)
    assert (model / "config.json").read_bytes() == before
    assert with_class_names(model, NAMES, cache=tmp_path / "cache") == named


def test_classes_with_a_name_keep_it(tiny_teacher: Path, tmp_path: Path) -> None:
    assert with_class_names(tiny_teacher, NAMES, cache=tmp_path) == tiny_teacher


def test_another_number_of_classes_is_left_alone(unnamed: Any, tmp_path: Path) -> None:
    model = unnamed(None)
    assert with_class_names(model, ("a", "b", "c"), cache=tmp_path / "cache") == model


@pytest.mark.parametrize("text", [None, "{", "[]", '{"id2label": {"x": "LABEL_0"}}'])
def test_a_config_that_cannot_be_read_is_left_to_loading(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert with_class_names(tmp_path, NAMES, cache=tmp_path / "cache") == tmp_path
