"""Cards of data sets: splits, configurations and names of classes."""

import pytest

from compressor.errors import InputError
from compressor.hub.card import choose_config, class_names, parse_card, split_files

GLUE = """---
license: other
dataset_info:
- config_name: cola
  features: [{name: sentence, dtype: string}]
- config_name: sst2
  features:
  - name: sentence
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '1': positive
          '0': negative
configs:
- config_name: cola
  data_files: [{split: train, path: cola/train-*}]
- config_name: sst2
  data_files:
  - split: train
    path: sst2/train-*
  - split: validation
    path: sst2/validation-*
  - split: test
    path: [sst2/test-*]
---
# GLUE
"""
FILES = [
    *("README.md", "cola/train-00000-of-00001.parquet", "sst2/train-00001-of-00002.parquet"),
    *(
        "sst2/train-00000-of-00002.parquet",
        "sst2/validation-00000-of-00001.parquet",
        "sst2/test-00000-of-00001.parquet",
    ),
]
TAGS = {"features": [{"name": "ner_tags", "sequence": {"class_label": {"names": {"0": "O", "1": "B-PER"}}}}]}


def test_the_card_says_which_files_are_which_split() -> None:
    card = parse_card(GLUE)
    assert choose_config(FILES, card, "sst2", where="glue") == "sst2"
    assert split_files(FILES, card, "sst2", where="glue/sst2") == {
        "train": ["sst2/train-00000-of-00002.parquet", "sst2/train-00001-of-00002.parquet"],
        "dev": ["sst2/validation-00000-of-00001.parquet"],
        "test": ["sst2/test-00000-of-00001.parquet"],
    }


def test_several_data_sets_and_none_named() -> None:
    with pytest.raises(InputError, match="'glue' holds several: name one of cola, sst2, as in glue/cola"):
        choose_config(FILES, parse_card(GLUE), None, where="glue")


def test_a_default_is_taken() -> None:
    card = parse_card(
        GLUE.replace("- config_name: sst2\n  data_files", "- config_name: sst2\n  default: true\n  data_files")
    )
    assert choose_config(FILES, card, None, where="glue") == "sst2"


def test_an_unknown_configuration_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no training file .*'sst3': configurations are cola, sst2"):
        split_files(FILES, parse_card(GLUE), "sst3", where="glue/sst3")


def test_classes_are_named_in_the_order_of_their_ids() -> None:
    card = parse_card(GLUE)
    assert class_names(card, "sst2") == {"label": ("negative", "positive")}
    assert class_names(card, "cola") == {}
    assert class_names({"dataset_info": TAGS}, None) == {"ner_tags": ("O", "B-PER")}


@pytest.mark.parametrize("text", ["", "# no head", "---\n[unclosed\n---\n", "---\njust words\n---\n"])
def test_without_a_card_the_names_of_the_files_decide(text: str) -> None:
    card = parse_card(text)
    assert card == {}
    files = ["data/train.jsonl", "data/dev.jsonl", "data/test_extra.jsonl", "notes.csv"]
    assert split_files(files, card, None, where="x") == {"train": ["data/train.jsonl"], "dev": ["data/dev.jsonl"]}


def test_folders_are_configurations_where_the_card_names_none() -> None:
    files = ["a/train.csv", "a/validation.csv", "b/train.csv"]
    with pytest.raises(InputError, match="name one of a, b, as in x/a"):
        choose_config(files, {}, None, where="x")
    assert split_files(files, {}, "a", where="x/a") == {"train": ["a/train.csv"], "dev": ["a/validation.csv"]}


def test_of_two_matched_and_mismatched_sets_the_matched_one() -> None:
    names = ["train", "validation_matched", "validation_mismatched", "test_matched"]
    files = [f"mnli/{name}-00000-of-00001.parquet" for name in names]
    found = split_files(files, {}, "mnli", where="glue/mnli")
    assert found["dev"] == ["mnli/validation_matched-00000-of-00001.parquet"]
    assert found["test"] == ["mnli/test_matched-00000-of-00001.parquet"]


def test_nothing_that_can_be_read() -> None:
    with pytest.raises(InputError, match=r"no training file \(.parquet, .jsonl, .csv, .tsv\).*files are none"):
        split_files(["glue.py", "README.md"], {}, None, where="x")
