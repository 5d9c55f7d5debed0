"""Reading a data folder: columns, labels, the evaluation split, and every refusal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.tasks import HELD_OUT, read_task

WriteFolder = Callable[..., Path]

ROWS = ["good\t1", "bad\t0", "fine\t1"]
LINES = ["sentence\tlabel", *ROWS]


def test_texts_labels_and_spec(write_folder: WriteFolder) -> None:
    folder = write_folder(train=LINES, dev=["label\tsentence", "1\tnice", "0\todd"], train_sentences=["junk"])
    data = read_task(folder, label_names=("negative", "positive"), metric="matthews")
    assert data.splits["train"].texts == (("good",), ("bad",), ("fine",))
    assert data.splits["dev"].texts == (("nice",), ("odd",))
    assert data.splits["train"].labels is not None
    assert data.splits["train"].labels.tolist() == [1, 0, 1]
    assert set(data.splits) == {"train", "dev"}
    assert (data.spec.label_names, data.spec.metric) == (("negative", "positive"), "matthews")
    assert (data.spec.eval_split, data.notes, data.source) == ("dev", (), folder)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("sentence1\tsentence2\tlabel", ("sentence1", "sentence2")),
        ("index\tpremise\thypothesis\tlabel", ("premise", "hypothesis")),
        ("question\tsentence\tlabel", ("question", "sentence")),
        ("text\tlabel", ("text",)),
    ],
)
def test_default_columns(write_folder: WriteFolder, header: str, columns: tuple[str, ...]) -> None:
    rows = ["\t".join(["x"] * header.count("\t") + [label]) for label in "01"]
    data = read_task(write_folder(train=[header, *rows], dev=[header, *rows]))
    assert data.spec.text_columns == columns
    assert data.splits["dev"].texts[0] == ("x",) * len(columns)


def test_columns_by_name(write_folder: WriteFolder) -> None:
    lines = ["Quality\t#1 ID\t#1 String\t#2 String", "1\t7\ta\tb", "0\t8\tc\td"]
    folder = write_folder(train=lines, dev=lines)
    data = read_task(folder, text_columns=["#1 String", "#2 String"], label_column="Quality")
    assert data.splits["dev"].texts == (("a", "b"), ("c", "d"))


def test_names_are_the_labels_found(write_folder: WriteFolder) -> None:
    data = read_task(write_folder(train=["text\tlabel", "a\t2", "b\t1"], dev=["text\tlabel", "a\t2"]))
    assert data.spec.label_names == ("1", "2")
    assert data.splits["dev"].labels is not None
    assert data.splits["dev"].labels.tolist() == [1]


@pytest.mark.parametrize(
    ("test", "chosen", "noted"),
    [
        (["sentence\tlabel", "x\t0"], "test", False),
        (["sentence\tlabel", "x\t-1"], "dev", True),
        (["index\tsentence", "0\tx"], "dev", True),
    ],
)
def test_unlabelled_test_split(write_folder: WriteFolder, test: list[str], chosen: str, noted: bool) -> None:
    data = read_task(write_folder(train=LINES, dev=["sentence\tlabel", "y\t1"], test=test))
    assert data.spec.eval_split == chosen
    assert (data.splits["test"].labels is None) == noted
    assert any("test.tsv has no labels (1 rows)" in note for note in data.notes) == noted


@pytest.mark.parametrize(("wanted", "chosen"), [("dev", "validation"), ("validation", "validation"), ("test", "test")])
def test_wanted_evaluation_split(write_folder: WriteFolder, wanted: str, chosen: str) -> None:
    folder = write_folder(train=LINES, validation=LINES, test=LINES)
    assert read_task(folder, eval_split=wanted).spec.eval_split == chosen


def test_carves_from_train_and_says_so(write_folder: WriteFolder) -> None:
    rows = [f"row {index}\t{index % 2}" for index in range(40)]
    folder = write_folder(train=["sentence\tlabel", *rows])
    data, again = read_task(folder), read_task(folder)
    held_out, train = data.splits[HELD_OUT], data.splits["train"]
    assert (len(held_out), len(train), data.spec.eval_split) == (4, 36, HELD_OUT)
    assert held_out.labels is not None
    assert sorted(held_out.labels) == [0, 0, 1, 1]
    assert not set(held_out.texts) & set(train.texts)
    assert held_out.texts == again.splits[HELD_OUT].texts
    assert data.notes == ("Accuracy is measured on 4 rows carved from train.tsv; 36 rows are left to train on.",)


def test_spec_of_carved_data_reads_the_same_again(write_folder: WriteFolder) -> None:
    folder = write_folder(train=["sentence\tlabel", *[f"row {index}\t{index % 2}" for index in range(40)]])
    spec = read_task(folder).spec
    assert read_task(folder, eval_split=spec.eval_split, label_names=spec.label_names).spec == spec


def test_overlap_with_train_is_noted(write_folder: WriteFolder) -> None:
    data = read_task(write_folder(train=LINES, dev=["sentence\tlabel", "good\t1", "new\t0"]))
    assert data.notes == ("1 of the 2 texts of dev are also in train.",)


def test_digest_follows_the_files_that_were_read(write_folder: WriteFolder) -> None:
    first = read_task(write_folder(train=LINES, dev=LINES)).digest
    assert read_task(write_folder(other=["x"])).digest == first
    assert read_task(write_folder(dev=[*LINES, "more\t0"])).digest != first
    assert len(first) == 64


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"one\ntwo\ncaf\xe9\n",
            r"unlabelled.txt, line 3: expected UTF-8, found the byte 0xe9 .*save the file as UTF-8",
        ),
        (b"", r"unlabelled.txt is empty: expected at least one row of data, found none; fill the file or remove it"),
        (b"\xef\xbb\xbf", r"unlabelled.txt is empty"),
        (b" \n\n", r"unlabelled.txt is empty"),
    ],
    ids=["latin-1", "empty", "only a byte order mark", "only white space"],
)
@pytest.mark.parametrize("alone", [False, True], ids=["beside train", "alone"])
def test_texts_without_labels_that_cannot_be_read_are_refused(
    write_folder: WriteFolder, raw: bytes, message: str, alone: bool
) -> None:
    folder = write_folder(**({} if alone else {"train": LINES, "dev": LINES}))
    (folder / "unlabelled.txt").write_bytes(raw)
    with pytest.raises(InputError, match=message):
        read_task(folder)


def test_a_byte_order_mark_is_no_part_of_the_first_text_without_a_label(write_folder: WriteFolder) -> None:
    folder = write_folder(train=LINES, dev=LINES)
    (folder / "unlabelled.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert read_task(folder).splits["unlabelled"].texts == (("one",), ("two",))


def test_selected_rows(write_folder: WriteFolder) -> None:
    part = read_task(write_folder(train=LINES, dev=LINES)).splits["train"].select("part", np.array([2, 1]))
    assert (part.name, part.texts) == ("part", (("fine",), ("bad",)))
    assert part.labels is not None
    assert part.labels.tolist() == [1, 0]
    assert not part.labels.flags.writeable


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"dev": LINES}, {}, r"expected train.tsv or train.csv or .* in .*, found dev.tsv; rename"),
        ({"train": LINES, "dev": LINES, "validation": LINES}, {}, r"dev.tsv or validation.tsv in .*, found both"),
        (
            {"train": ROWS},
            {},
            r"text columns \(sentence1\+sentence2, .*, text, tokens, words\), found columns good, 1; .*--text-column",
        ),
        (
            {"train": ["sentence\tlabels", "x\t1"]},
            {"agreement": False},
            r"labels in a column 'label', found .*; did you mean 'labels'\?; .*--min-agreement 98%",
        ),
        (
            {"train": ["sentence\tgold", "x\t1"]},
            {"label_column": "label"},
            r"labels in a column 'label', found the columns sentence, gold",
        ),
        ({"train": ["sentence\tlabel", "x\t-1"]}, {"agreement": False}, r"'label', found only empty ones; add labels"),
        (
            {"train": ["sentence", "x"]},
            {"metric": "f1"},
            r"expected labels in a column 'label', found the columns sent",
        ),
        ({"train": LINES}, {"text_columns": ("body",)}, r"expected a column 'body', found sentence, label"),
        ({"train": LINES, "dev": ["sentence", "x"]}, {}, r"dev.tsv: expected a column 'label', found sentence"),
        (
            {"train": [*LINES, "x\t7"]},
            {"label_names": ("n", "p")},
            r"train.tsv, line 5: label '7' is unknown; known are n, p",
        ),
        ({"train": LINES, "dev": ["sentence\tlabel", "x\tmeh"]}, {}, r"dev.tsv, line 2: label 'meh' is unknown"),
        ({"train": ["sentence\tlabel", "x\t1", "y\t1"]}, {}, r"at least two classes, found only '1' in all 2 rows"),
        (
            {"train": ["sentence\tlabel", "x\t3.800"]},
            {"label_names": ("n", "p")},
            r"train.tsv, line 2: expected class labels: .* found the float label '3.800'; .* regression",
        ),
        (
            {"train": [*LINES, "x\t"]},
            {},
            r"train.tsv, line 5: expected a label, found an empty field; .* unlabelled.txt",
        ),
        (
            {"train": LINES, "train.csv": LINES},
            {},
            r"one file of the split 'train' in .*, found train.tsv and train.csv",
        ),
        ({"train": LINES, "dev.txt": ["x"], "validation": LINES}, {}, r"dev.txt or validation.tsv in .*, found both"),
        *(
            (
                {"train": LINES[: 1 + rows]},
                {"label_names": ("n", "p")},
                rf"cannot carve 0 rows out of {rows} .* for `held_out`, .* at least \d+ rows .*: test or dev",
            )
            for rows in (2, 3)
        ),
        ({"train": LINES[:2]}, {"agreement": True}, r"cannot carve 0 rows out of 1 training rows for `held_out`"),
        ({"train": LINES}, {"metric": "acuracy"}, r"metric: expected one of .*did you mean 'accuracy'"),
        (
            {"train": LINES},
            {"metric": "pearson"},
            r"expected one of accuracy, f1, .* for text-class.*, found 'pearson'",
        ),
        ({"train": LINES}, {"task": "regresion"}, r"task: expected one of .*did you mean 'regression'"),
        (
            {"train": LINES},
            {"metric": "f1", "agreement": True},
            r"metric: expected agreement or none where no label is used, found 'f1'",
        ),
        ({"train": LINES}, {"text_columns": ()}, r"text columns: expected 1 or 2, found 0"),
        (
            {"train": LINES, "dev": LINES},
            {"eval_split": "test"},
            r"evaluation split 'test' is not there; expected one of dev, held_out",
        ),
        (
            {"train": LINES, "dev": LINES, "test": ["sentence", "x"]},
            {"eval_split": "test"},
            r"'test' is there but has no labels",
        ),
        ({"train": LINES, "dev": LINES}, {"eval_split": "train"}, r"'train' is what the model learns from"),
    ],
)
def test_refuses(
    write_folder: WriteFolder, files: dict[str, list[str]], options: dict[str, Any], message: str
) -> None:
    folder = write_folder(**files)
    with pytest.raises(InputError, match=message):
        read_task(folder, **options)


def test_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected a folder with training data at .*gone, found nothing; check --data"
    ):
        read_task(tmp_path / "gone")


def test_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("sentence\tlabel\n")
    with pytest.raises(InputError, match="found a file"):
        read_task(tmp_path / "train.tsv")


def test_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing"):
        read_task(tmp_path)
