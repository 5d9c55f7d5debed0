"""Folders and names of the hub: which is which, and what is neither."""

from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.hub import data_folder, model_folder
from compressor.hub.names import DataName, data_name, model_repository
from compressor.records.observer import Silent


@pytest.mark.parametrize("name", ["org/name", "org/there", "/nowhere/at/all", "./org", "../x/y", "~/models"])
def test_a_path_stays_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "there").mkdir(parents=True)  # `org` is a folder here, so that org/name is meant as a path
    for resolve in (model_folder, data_folder):
        assert resolve(name, cache=tmp_path / "cache", observer=Silent()) == Path(name)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("org/name", "org/name"),
        ("a-b.c/D_e.1", "a-b.c/D_e.1"),
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("roberta-large", "FacebookAI/roberta-large"),
    ],
)
def test_models_of_the_hub(name: str, repository: str) -> None:
    assert model_repository(name) == repository


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("glue/sst2", DataName("nyu-mll/glue", "sst2")),
        ("glue", DataName("nyu-mll/glue", None)),
        ("nyu-mll/glue/sst2", DataName("nyu-mll/glue", "sst2")),
        ("org/name", DataName("org/name", None)),
        ("imdb", DataName("stanfordnlp/imdb", None)),
    ],
)
def test_data_sets_of_the_hub(name: str, expected: DataName) -> None:
    assert data_name(name) == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bert-bse", "Did you mean 'bert-base'?"),
        ("distilbret", "Did you mean 'distilbert'?"),
        ("my model", "Aliases: bert-base, "),
        ("a/b/c", "Aliases: bert-base, "),
        ("org/", "Aliases: bert-base, "),
    ],
)
def test_no_folder_no_alias_and_no_model_of_the_hub(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is no folder here, no alias and no model of the hub") as caught:
        model_repository(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("glue/sst2/x/y", "Did you mean 'glue/sst2'?"), ("imbd", "Did you mean 'imdb'?"), ("my data", "glue/sst2, ")],
)
def test_no_folder_and_no_data_set_of_the_hub(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is no folder here and no data set of the hub") as caught:
        data_name(name)
    assert hint in str(caught.value)
