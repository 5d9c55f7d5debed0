"""Reading regression, token classification, and texts without labels, in every format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.tasks import HELD_OUT, UNLABELLED, read_task

WriteFolder = Callable[..., Path]

SENTENCES = [(["in", "New", "York"], ["O", "B-loc", "I-loc"]), (["I", "am", "Ann"], ["O", "O", "B-per"])]
TAGS = ("O", "B-loc", "I-loc", "B-per", "I-per")
CONLL = [line for words, tags in SENTENCES for line in (*map("\t".join, zip(words, tags, strict=True)), "")]


def _jsonl(*keys: str) -> list[str]:
    return [json.dumps(dict(zip(keys, row, strict=True))) for row in SENTENCES]


CLASSES = {
    "train.tsv": ["sentence\tlabel", "fine, good\t1", "bad\t0"],
    "train.csv": ["sentence,label", '"fine, good",1', "bad,0"],
    "train.jsonl": ['{"sentence": "fine, good", "label": 1}', '{"sentence": "bad", "label": 0}'],
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_in_every_format(write_folder: WriteFolder, name: str) -> None:
    data = read_task(write_folder(**{name: CLASSES[name], "dev.tsv": CLASSES["train.tsv"]}))
    train = data.splits["train"]
    assert (data.spec.kind, data.spec.label_names) == ("text-classification", ("0", "1"))
    assert train.labels is not None
    assert (train.texts, train.labels.tolist()) == ((("fine, good",), ("bad",)), [1, 0])


SCORES = {
    "train.tsv": ["sentence1\tsentence2\tlabel", "a\tb\t4.75", "c\td\t1"],
    "train.csv": ["sentence1,sentence2,label", "a,b,4.75", "c,d,1"],
    "train.jsonl": [
        '{"sentence1": "a", "sentence2": "b", "label": 4.75}',
        "",
        '{"label": 1, "sentence2": "d", "sentence1": "c"}',
    ],
}


@pytest.mark.parametrize("name", SCORES)
def test_scores_in_every_format(write_folder: WriteFolder, name: str) -> None:
    data = read_task(write_folder(**{name: SCORES[name], "dev.tsv": SCORES["train.tsv"]}))
    train = data.splits["train"]
    assert (data.spec.kind, data.spec.metric, data.spec.label_names) == ("regression", "pearson", ("score",))
    assert train.labels is not None
    assert (train.texts, train.labels.tolist()) == ((("a", "b"), ("c", "d")), [4.75, 1.0])
    assert train.labels.dtype == np.float64
    assert not train.labels.flags.writeable


def test_whole_numbers_are_scores_if_one_says_so(write_folder: WriteFolder) -> None:
    lines = ["text\tlabel", "a\t3", "b\t1", "c\t2"]
    folder = write_folder(train=lines, dev=lines)
    assert read_task(folder).spec.kind == "text-classification"
    assert read_task(folder, label_names=("LABEL_0",)).spec.kind == "regression"
    data = read_task(folder, task="regression", metric="spearman")
    assert data.splits["dev"].labels is not None
    assert data.splits["dev"].labels.tolist() == [3.0, 1.0, 2.0]
    assert data.spec.metric == "spearman"


WORDS = {
    "train.conll": CONLL,
    "train.jsonl": _jsonl("tokens", "ner_tags"),
    "words/train.jsonl": _jsonl("words", "labels"),
    "text/train.jsonl": _jsonl("text", "tags"),
}


@pytest.mark.parametrize("name", WORDS)
def test_tags_in_every_format(write_folder: WriteFolder, name: str) -> None:
    file = name.rpartition("/")[2]
    data = read_task(write_folder(**{file: WORDS[name], file.replace("train", "dev"): WORDS[name]}))
    train = data.splits["train"]
    assert (data.spec.kind, data.spec.metric) == ("token-classification", "entity_f1")
    assert data.spec.label_names == TAGS
    assert train.texts == (("in New York",), ("I am Ann",))
    assert train.labels is not None
    assert train.offsets is not None
    assert [TAGS[label] for label in train.labels] == [tag for _, tags in SENTENCES for tag in tags]
    assert train.offsets.tolist() == [0, 3, 6]


def test_a_list_beside_a_text_is_no_task_of_its_own(write_folder: WriteFolder) -> None:
    rows = [json.dumps({"tokens": ["a", "b"], "tags": ["x"], "text": text, "label": text}) for text in ("yes", "no")]
    data = read_task(write_folder(**{"train.jsonl": rows, "dev.jsonl": rows}), text_columns=["text"])
    assert (data.spec.kind, data.spec.label_column, data.spec.label_names) == (
        "text-classification",
        "label",
        ("no", "yes"),
    )
    rows = [json.dumps({"tokens": ["a", "b"], "text": text, "label": text}) for text in ("yes", "no")]
    data = read_task(write_folder(**{"train.jsonl": rows, "dev.jsonl": rows}))
    assert (data.spec.kind, data.spec.text_columns) == ("text-classification", ("text",))


def test_ids_of_tags_are_named_by_the_teacher(write_folder: WriteFolder) -> None:
    rows = ['{"tokens": ["in", "York"], "ner_tags": [0, 2]}', '{"tokens": ["Ann"], "ner_tags": [1]}']
    names = ("O", "B-per", "B-loc", "I-per", "I-loc")
    data = read_task(write_folder(**{"train.jsonl": rows, "dev.jsonl": rows}), label_names=names)
    assert data.splits["dev"].labels is not None
    assert data.splits["dev"].labels.tolist() == [0, 2, 1]
    assert data.spec.label_names == names


def test_words_and_tags_of_a_table_are_split_at_white_space(write_folder: WriteFolder) -> None:
    lines = ["sentence\tlabel", "in  New York \tO B-loc I-loc", "fine\tO"]
    data = read_task(write_folder(train=lines, dev=lines), task="token-classification")
    assert data.splits["dev"].texts == (("in New York",), ("fine",))
    assert data.splits["dev"].labels is not None
    assert data.splits["dev"].labels.tolist() == [0, 1, 2, 0]


def test_selected_rows_keep_the_tags_of_their_words(write_folder: WriteFolder) -> None:
    data = read_task(write_folder(**{"train.conll": [*CONLL, "well\tO", ""], "dev.conll": CONLL}))
    part = data.splits["train"].select("part", np.array([2, 0]))
    assert part.texts == (("well",), ("in New York",))
    assert part.labels is not None
    assert part.offsets is not None
    assert (part.labels.tolist(), part.offsets.tolist()) == ([0, 0, 1, 2], [0, 1, 4])
    assert not part.labels.flags.writeable


def test_held_out_sentences_and_scores(write_folder: WriteFolder) -> None:
    sentences = [line for row in range(20) for line in (f"w{row}\tO", f"Ann{row}\tB-per", "")]
    data = read_task(write_folder(**{"train.conll": sentences}))
    assert (len(data.splits["train"]), len(data.splits[HELD_OUT])) == (18, 2)
    assert data.splits[HELD_OUT].labels is not None
    assert data.splits[HELD_OUT].labels.tolist() == [0, 1, 0, 1]
    (data.source / "train.conll").unlink()
    data = read_task(write_folder(train=["text\tlabel", *(f"t{row}\t{row / 2}" for row in range(60))]))
    held = data.splits[HELD_OUT].labels
    assert held is not None
    # One row of each sixth of the scores: 6 of 60 rows, stratified.
    assert sorted((held // 5).tolist()) == [0, 1, 2, 3, 4, 5]


UNLABELLED_FOLDERS = {
    "no label column": {"train.tsv": ["sentence", "a b", "c"]},
    "csv": {"train.csv": ["text,id", "a b,1", "c,2"]},
    "jsonl": {"train.jsonl": ['{"text": "a b", "label": null}', '{"text": "c", "label": null}']},
    "hidden labels": {"train.tsv": ["sentence\tlabel", "a b\t-1", "c\t-1"]},
    "train.txt": {"train.txt": ["a b", "c"]},
    "unlabelled.txt": {"unlabelled.txt": ["a b", "", "c"]},
}


@pytest.mark.parametrize("name", UNLABELLED_FOLDERS)
def test_texts_without_labels_are_measured_by_agreement(write_folder: WriteFolder, name: str) -> None:
    folder = write_folder(**{**UNLABELLED_FOLDERS[name], "dev.txt": ["d"]})
    data = read_task(folder, label_names=("no", "yes"))
    assert (data.spec.kind, data.spec.metric, data.spec.eval_split) == ("text-classification", "agreement", "dev")
    assert data.splits["train"].texts == (("a b",), ("c",))
    assert all(split.labels is None for split in data.splits.values())
    assert data.spec.label_names == ("no", "yes")
    assert data.notes == ("No labels are used: accuracy is the share of answers that are the teacher's.",)
    with pytest.raises(InputError, match=r"expected labels in a column 'label', .*add labels, .* --min-agreement 98%"):
        read_task(folder, agreement=False)


def test_texts_alone_are_enough(write_folder: WriteFolder) -> None:
    data = read_task(write_folder(**{"train.txt": [f"text {row}" for row in range(30)]}))
    assert (len(data.splits["train"]), len(data.splits[HELD_OUT]), data.spec.eval_split) == (27, 3, HELD_OUT)
    assert not set(data.splits["train"].texts) & set(data.splits[HELD_OUT].texts)
    assert data.spec.label_names == ()


def test_words_without_tags_are_still_words(write_folder: WriteFolder) -> None:
    rows = [json.dumps({"tokens": words}) for words, _ in SENTENCES]
    data = read_task(write_folder(**{"train.jsonl": rows, "dev.jsonl": rows}))
    assert (data.spec.kind, data.spec.metric) == ("token-classification", "agreement")
    assert data.splits["dev"].texts == (("in New York",), ("I am Ann",))


@pytest.mark.parametrize("options", [{"agreement": True}, {"metric": "agreement"}])
def test_labels_are_ignored_if_agreement_is_wanted(write_folder: WriteFolder, options: dict[str, Any]) -> None:
    lines = ["sentence\tlabel", "a\tnonsense", "b\t0.5"]
    data = read_task(write_folder(train=lines, test=lines), **options)
    assert (data.spec.kind, data.spec.metric, data.spec.eval_split) == ("text-classification", "agreement", "test")
    assert all(split.labels is None for split in data.splits.values())


def test_more_texts_beside_labelled_ones(write_folder: WriteFolder) -> None:
    lines = ["sentence1\tsentence2\tlabel", "a\tb\t1", "c\td\t0"]
    data = read_task(write_folder(**{"train": lines, "dev": lines, "unlabelled.txt": ["e\tf", "g\th", "i\tj"]}))
    assert data.splits[UNLABELLED].texts == (("e", "f"), ("g", "h"), ("i", "j"))
    assert data.splits[UNLABELLED].labels is None
    assert data.spec.metric == "accuracy"
    assert "unlabelled.txt has no labels (3 rows): the student also learns from them." in data.notes


LABELLED = ["sentence\tlabel", "a\t1", "b\t0"]


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (
            {"train": LABELLED, "unlabelled.txt": ["a\tb"]},
            {},
            r"unlabelled.txt: expected 1 text\(s\) per row .*found 2",
        ),
        ({"train.txt": ["a\tb"], "dev.txt": ["a"]}, {}, r"dev.txt: expected 2 text\(s\) per row .*found 1; write"),
        ({"train": ["text\tlabel", "a\t1.5", "b\t1.5"]}, {}, r"at least two scores, found only '1.5' in all 2 rows"),
        (
            {"train": ["text\tlabel", "a\t1.5", "b\t"]},
            {},
            r"train.tsv, line 3: expected a label, found an empty field",
        ),
        ({"train": ["text\tlabel", "a\tx", "b\t1.5"]}, {"task": "regression"}, r"line 2: expected a finite .*'x'"),
        (
            {"train": SCORES["train.tsv"], "dev": ["sentence1\tsentence2\tlabel", "a\tb\tx"]},
            {},
            r"dev.tsv, line 2: .*'x'",
        ),
        ({"train": SCORES["train.tsv"]}, {"metric": "agreement"}, r"cannot carve"),
        ({"train": SCORES["train.tsv"]}, {"metric": "f1"}, r"one of pearson, spearman for regression, found 'f1'"),
        ({"train.txt": ["a"]}, {"task": "regression"}, r"pearson, spearman for regression, found 'agreement'"),
        (
            {"train": LABELLED},
            {"task": "regression", "label_names": ("a", "b")},
            r"exactly one for regression, found 2",
        ),
        ({"train.conll": CONLL}, {"metric": "pearson"}, r"entity_f1, accuracy, agreement for token-classification"),
        ({"train.conll": ["a\tO", "", "b\tO"]}, {}, r"two classes, found only 'O' in all 2 words"),
        ({"train.conll": ["a\tNOUN", "", "b\tVERB"]}, {}, r"train.conll, line 1: expected BIO tags .*found 'NOUN'"),
        (
            {"train.conll": CONLL, "dev.conll": ["a\tO", "", "b\tB-org"]},
            {},
            r"dev.conll, line 3, word 1: label 'B-org' is unknown; known are O, B-loc, I-loc, B-per, I-per",
        ),
        ({"train.jsonl": ['{"tokens": ["New York"], "tags": ["B-loc"]}']}, {}, r"line 1: .*found 2 words and 1 tags"),
        ({"train.jsonl": ['{"tokens": ["a"], "tags": ["O", "B-loc"]}']}, {}, r"line 1: .*found 1 words and 2 tags"),
        ({"train.jsonl": ['{"body": "a"}']}, {}, r"expected text columns \(.*\), found columns body"),
    ],
)
def test_refuses(
    write_folder: WriteFolder, files: dict[str, list[str]], options: dict[str, Any], message: str
) -> None:
    folder = write_folder(**files)
    with pytest.raises(InputError, match=message):
        read_task(folder, **options)
