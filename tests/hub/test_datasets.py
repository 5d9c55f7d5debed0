"""Data sets of the hub to folders that are read like a user's own."""

import json
from pathlib import Path

import pytest
import tiny
from hub_server import Hub

from compressor.errors import InputError
from compressor.hub import LABEL_NAMES, data_folder
from compressor.tasks import read_task

CARD = b"""---
configs:
- config_name: small
  data_files:
  - {split: train, path: small/train.csv}
  - {split: validation, path: small/dev.csv}
  - {split: test, path: small/test.csv}
- config_name: other
  data_files: [{split: train, path: other/train.csv}]
dataset_info:
- config_name: small
  features:
  - {name: sentence, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': positive, '1': negative}}}
---
"""
FILES = {
    "README.md": CARD,
    "small/train.csv": b"sentence,label\n" + b"fine,0\ndull,1\n" * 20,
    "small/dev.csv": b"sentence,label\nwarm,0\ncold,1\n",
    "small/test.csv": b"sentence,label\nodd,-1\neven,-1\n",
    "other/train.csv": b"sentence,label\nx,0\n",
}


def folder(name: str, cache: Path) -> Path:
    return data_folder(name, cache=cache, observer=tiny.Watcher())


def test_a_data_set_is_read_with_the_names_of_its_classes(hub: Hub, tmp_path: Path) -> None:
    commit = hub.add("dataset", "org/set", FILES)
    found = folder("org/set/small", tmp_path)
    assert found.name == commit
    assert sorted(path.name for path in found.iterdir()) == ["dev.tsv", LABEL_NAMES, "test.tsv", "train.tsv"]
    task = read_task(found)
    assert task.spec.label_names == ("negative", "positive")
    assert task.spec.eval_split == "dev"  # the labels of test are hidden
    assert task.splits["dev"].texts == (("warm",), ("cold",))
    assert list(task.splits["dev"].labels) == [1, 0]
    assert json.loads((found / LABEL_NAMES).read_text()) == ["positive", "negative"]
    assert not any("other" in path for path in hub.asked)


def test_a_second_use_asks_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.add("dataset", "org/set", FILES)
    first = folder("org/set/small", tmp_path)
    hub.asked.clear()
    assert folder("org/set/small", tmp_path) == first
    assert hub.asked == []


def test_short_names_and_configurations(hub: Hub, tmp_path: Path) -> None:
    hub.add("dataset", "nyu-mll/glue", FILES)
    assert (folder("glue/small", tmp_path) / "train.tsv").exists()
    with pytest.raises(InputError, match="'glue' holds several: name one of small, other, as in glue/small"):
        folder("glue", tmp_path)


def test_a_set_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no data set 'org/nothing', or it is gated or private"):
        folder("org/nothing", tmp_path)


def test_a_set_that_was_interrupted_while_it_was_converted(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("dataset", "org/set", FILES)

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("compressor.hub.datasets.write_splits", killed)
        folder("org/set/small", tmp_path)
    hub.asked.clear()
    assert len(read_task(folder("org/set/small", tmp_path)).splits["train"]) == 40
    assert not any("/resolve/" in path for path in hub.asked)  # the files were here already
