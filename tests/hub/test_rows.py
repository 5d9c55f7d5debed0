"""Files of any format to the TSV or JSON lines that are read here."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import InputError, UnavailableError
from compressor.hub.rows import read_rows, write_splits

NAMES = {"label": ("negative", "positive")}
ROWS: list[dict[str, Any]] = [{"sentence": "fine", "label": 1}, {"sentence": 'a "dull" one', "label": 0}]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_class_ids_become_names(tmp_path: Path) -> None:
    write_splits({"train": [jsonl(tmp_path / "in.jsonl", ROWS)]}, NAMES, tmp_path)
    assert (tmp_path / "train.tsv").read_text() == 'sentence\tlabel\nfine\tpositive\na "dull" one\tnegative\n'


def test_files_of_a_split_follow_each_other(tmp_path: Path) -> None:
    files = [jsonl(tmp_path / f"{index}.jsonl", [row]) for index, row in enumerate(ROWS)]
    write_splits({"train": files}, {}, tmp_path)
    assert (tmp_path / "train.tsv").read_text().splitlines()[1:] == ["fine\t1", 'a "dull" one\t0']


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "a\rb"])
def test_a_text_that_tsv_cannot_hold_makes_json_lines(tmp_path: Path, text: str) -> None:
    rows = [*ROWS, {"sentence": text, "label": 1}]
    sources = {"train": [jsonl(tmp_path / "a", rows).rename(tmp_path / "a.jsonl")]}
    sources["dev"] = [jsonl(tmp_path / "b.jsonl", ROWS)]
    write_splits(sources, NAMES, tmp_path)
    assert not list(tmp_path.glob("*.tsv"))
    assert [row["sentence"] for row in read_rows(tmp_path / "train.jsonl")][-1] == text
    assert [row["label"] for row in read_rows(tmp_path / "dev.jsonl")] == ["positive", "negative"]


def test_tags_become_names_too(tmp_path: Path) -> None:
    rows = [{"tokens": ["Ada", "wrote"], "ner_tags": [1, 0]}]
    write_splits({"train": [jsonl(tmp_path / "in.jsonl", rows)]}, {"ner_tags": ("O", "B-PER")}, tmp_path)
    assert list(read_rows(tmp_path / "train.jsonl")) == [{"tokens": ["Ada", "wrote"], "ner_tags": ["B-PER", "O"]}]


@pytest.mark.parametrize("hidden", [-1, None, -1.0])
def test_hidden_labels_of_a_test_set_are_left_out(tmp_path: Path, hidden: object) -> None:
    rows = [{**row, "label": hidden} for row in ROWS]
    sources = {"train": [jsonl(tmp_path / "a.jsonl", ROWS)], "test": [jsonl(tmp_path / "b.jsonl", rows)]}
    write_splits(sources, {}, tmp_path)
    assert (tmp_path / "test.tsv").read_text().splitlines() == ["sentence", "fine", 'a "dull" one']


def test_single_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    rows = [*ROWS, {"sentence": "undecided", "label": -1}]
    write_splits({"train": [jsonl(tmp_path / "a.jsonl", rows)]}, NAMES, tmp_path)
    assert "undecided" not in (tmp_path / "train.tsv").read_text()


def test_minus_one_is_a_label_like_any_other_where_the_card_names_none(tmp_path: Path) -> None:
    rows = [*ROWS, {"sentence": "bad", "label": -1}]
    write_splits({"train": [jsonl(tmp_path / "a.jsonl", rows)]}, {}, tmp_path)
    assert (tmp_path / "train.tsv").read_text().splitlines()[-1] == "bad\t-1"


def test_a_class_id_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="class id 2 has no name; the card names negative, positive"):
        write_splits({"train": [jsonl(tmp_path / "a.jsonl", [{"sentence": "x", "label": 2}])]}, NAMES, tmp_path)


def test_quotes_of_csv_are_understood(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('sentence,label\n"a, ""b""",1\nplain,0\n', encoding="utf-8")
    write_splits({"train": [tmp_path / "in.csv"]}, NAMES, tmp_path)
    assert (tmp_path / "train.tsv").read_text() == 'sentence\tlabel\na, "b"\tpositive\nplain\tnegative\n'


def test_a_long_text_of_csv_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"sentence,label\n{'a ' * 100_000},1\n", encoding="utf-8")
    assert [len(row["sentence"]) for row in read_rows(tmp_path / "in.csv")] == [200_000]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ragged.csv", b"sentence,label\nfine,1,2\n"),
        ("short.csv", b"sentence,label\nfine\n"),
        ("latin.csv", b"sentence,label\nn\xe9e,1\n"),
        ("cut.jsonl", b'{"sentence": "fi'),
        ("half.jsonl", b'{"sentence": "\\ud83d"}'),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        list(read_rows(tmp_path / name))


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra `hub` is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS * 3), tmp_path / "in.parquet", row_group_size=2)
    assert list(read_rows(tmp_path / "in.parquet")) == ROWS * 3
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"damaged.parquet cannot be read"):
        list(read_rows(tmp_path / "damaged.parquet"))


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnavailableError, match=r"pyarrow is not installed: pip install 'compressor\[hub\]'"):
        list(read_rows(tmp_path / "in.parquet"))
