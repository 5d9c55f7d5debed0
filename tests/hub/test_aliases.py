"""Short names: what they stand for, alone and with data."""

from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.hub import expand_alias, expand_model, load_aliases
from compressor.hub.aliases import canonical_names
from compressor.hub.names import data_name, model_repository

ALIASES = sorted(load_aliases())


@pytest.mark.parametrize("name", ALIASES)
def test_every_alias_stands_for_names_of_the_hub(name: str) -> None:
    alias = load_aliases()[name]
    for model in filter(None, (alias.base, alias.teacher)):
        assert model_repository(model) == model
    assert "/" in data_name(alias.data).repository
    assert data_name(alias.data).config in ("sst2", "mrpc")


@pytest.mark.parametrize("section", ["models", "datasets"])
def test_every_old_name_of_one_word_stands_for_a_repository(section: str) -> None:
    names = canonical_names(section)
    assert names
    for word, repository in names.items():
        assert "/" not in word
        assert repository.count("/") == 1
        assert word not in load_aliases()


def test_an_alias_alone_is_its_fine_tuned_checkpoint_and_its_data() -> None:
    assert expand_alias("bert-base", None) == ("textattack/bert-base-uncased-SST-2", "glue/sst2")


def test_an_alias_with_data_is_its_pre_trained_model() -> None:
    assert expand_alias("bert-base", "my/reviews") == ("google-bert/bert-base-uncased", "my/reviews")


def test_an_alias_without_a_known_checkpoint_is_fine_tuned_on_its_data() -> None:
    assert load_aliases()["mpnet"].teacher is None
    assert expand_alias("mpnet", None) == ("microsoft/mpnet-base", "glue/sst2")


def test_where_only_a_model_is_wanted_an_alias_is_its_checkpoint_and_other_names_are_left() -> None:
    assert expand_model("bert-base") == "textattack/bert-base-uncased-SST-2"
    assert expand_model("mpnet") == "microsoft/mpnet-base"
    assert expand_model("org/name") == "org/name"


def test_a_folder_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert-base").mkdir()
    assert expand_alias("bert-base", "data") == ("bert-base", "data")
    assert expand_model("bert-base") == "bert-base"
    with pytest.raises(InputError, match="only an alias knows its data"):
        expand_alias("bert-base", None)


@pytest.mark.parametrize(
    ("name", "hint"), [("org/name", "Aliases: bert-base, "), ("bert-bse", "Did you mean 'bert-base'?")]
)
def test_only_an_alias_may_leave_out_the_data(name: str, hint: str) -> None:
    with pytest.raises(InputError, match="--data: expected a folder or the name of a data set") as caught:
        expand_alias(name, None)
    assert hint in str(caught.value)
