"""Reading one file of each format."""

import hashlib
from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.tasks.formats import FORMATS, Table


def _read(folder: Path, suffix: str, content: str | bytes) -> Table:
    path = folder / f"train.{suffix}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return FORMATS[path.suffix](path)


def test_tsv_takes_quotes_for_characters(tmp_path: Path) -> None:
    table = _read(tmp_path, "tsv", 'sentence\tlabel\n"a\t0\nb" c\t1\n')
    assert table.rows == [['"a', "0"], ['b" c', "1"]]
    assert table.column("label") == ["0", "1"]
    assert list(table.lines) == [2, 3]


def test_csv_takes_quotes_for_quotes(tmp_path: Path) -> None:
    table = _read(tmp_path, "csv", 'text , label\n"a, ""b""\nc",0\nd\te,1\n')
    assert table.columns == ("text", "label")
    assert table.rows == [['a, "b"\nc', "0"], ["d\te", "1"]]
    assert list(table.lines) == [2, 4]


def test_jsonl_takes_characters_of_two_halves(tmp_path: Path) -> None:
    assert _read(tmp_path, "jsonl", '{"text": "\\ud83d\\ude00"}\n').column("text") == ["\U0001f600"]


def test_csv_takes_texts_of_any_length(tmp_path: Path) -> None:
    text = "word " * 40_000
    assert _read(tmp_path, "csv", f"text,label\n{text},1\n").column("text") == [text]


def test_jsonl_takes_any_value(tmp_path: Path) -> None:
    lines = [
        '{"text": "caf\\u00e9", "label": 1, "extra": {"a": 1}}',
        "",
        '{"label": 0.5, "text": "b", "extra": [1.5]}',
        '{"text": "c", "label": null, "extra": true}',
    ]
    table = _read(tmp_path, "jsonl", "\n".join(lines))
    assert table.columns == ("text", "label", "extra")
    assert table.rows == [["café", "1", '{"a": 1}'], ["b", "0.5", "[1.5]"], ["c", "", "true"]]
    assert (list(table.lines), table.word_columns) == ([1, 3, 4], frozenset())


def test_jsonl_joins_words(tmp_path: Path) -> None:
    table = _read(
        tmp_path, "jsonl", '{"tokens": ["in", "Berlin"], "ner_tags": [0, 3]}\n{"tokens": [], "ner_tags": []}'
    )
    assert table.rows == [["in Berlin", "0 3"], ["", ""]]
    assert table.word_columns == {"tokens", "ner_tags"}


@pytest.mark.parametrize(
    "content",
    [
        "-DOCSTART-\tO\n\nin\tO\nBerlin\tB-loc\n\n\nfine\tO\n",
        "-DOCSTART- -X- -X- O\r\n\r\nin IN B-PP O\r\nBerlin NNP B-NP B-loc\r\n\r\n\r\nfine JJ B-ADJP O",
    ],
    ids=["tabs", "four columns of CoNLL-2003"],
)
def test_conll_gives_sentences(tmp_path: Path, content: str) -> None:
    table = _read(tmp_path, "conll", content)
    assert table.rows == [["in Berlin", "O B-loc"], ["fine", "O"]]
    assert list(table.lines) == [3, 7]
    assert table.columns == ("tokens", "tags")


def test_conll_keeps_a_no_break_space_in_its_word(tmp_path: Path) -> None:
    assert _read(tmp_path, "conll", "1\u00a0000 O\n").rows == [["1\u00a0000", "O"]]


def test_txt_has_a_text_or_a_pair_per_line(tmp_path: Path) -> None:
    assert _read(tmp_path, "txt", 'a "b"\n\nc\n').rows == [['a "b"'], ["c"]]
    assert _read(tmp_path, "txt", "a\tb\nc\td\n").rows == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(
    "raw",
    [b"s\tl\nx\t0\ny\t1", b"s\tl\r\nx\t0\r\ny\t1\r\n", b"\xef\xbb\xbfs\tl\nx\t0\ny\t1\n"],
    ids=["no last line end", "windows line ends", "byte order mark"],
)
def test_harmless_differences(tmp_path: Path, raw: bytes) -> None:
    table = _read(tmp_path, "tsv", raw)
    assert (table.columns, table.rows) == (("s", "l"), [["x", "0"], ["y", "1"]])
    assert table.digest == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("suffix", ["tsv", "txt", "csv"])
def test_unicode_line_separators_stay_in_the_text(tmp_path: Path, suffix: str) -> None:
    text = "a\u2028b\x0cc\x85d"
    header = "" if suffix == "txt" else "text\n"
    assert _read(tmp_path, suffix, f"{header}{text}\n").rows == [[text]]


@pytest.mark.parametrize("suffix", [suffix[1:] for suffix in FORMATS])
def test_other_encodings_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"train.{suffix}, line 3: expected UTF-8, found the byte 0xe9 at byte offset 7, which is not;",
    ):
        _read(tmp_path, suffix, b"a\r\n\ncaf\xe9")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_another_encoding_that_marks_itself_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(
        InputError,
        match=r"train.txt, line 1: expected UTF-8, found the byte 0xf[ef] .*\(it begins like UTF-16\); save",
    ):
        _read(tmp_path, "txt", "\ufeffa\nb\n".encode(encoding))


@pytest.mark.parametrize("suffix", [suffix[1:] for suffix in FORMATS])
@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_files_are_refused(tmp_path: Path, suffix: str, content: str) -> None:
    with pytest.raises(InputError, match=rf"train.{suffix}.*(is empty: expected at least one row|an empty line)"):
        _read(tmp_path, suffix, content)


@pytest.mark.parametrize("suffix", [suffix[1:] for suffix in FORMATS])
def test_unreadable_files_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone"):
        FORMATS[f".{suffix}"](tmp_path / f"gone.{suffix}")


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        ("tsv", "s\tl\n", r"train.tsv is empty: expected at least one row of data, found none"),
        ("tsv", "s\ts\nx\t0\n", r"expected every column name once, found s, s"),
        ("tsv", "s\tl\nx\t0\nx\ty\t1\n", r"train.tsv, line 3: expected 2 tab-separated fields \(s, l\), found 3"),
        ("tsv", "s\tl\nx\t0\n\n", r"line 3: expected 2 .*found 1 \(an empty line\)"),
        (
            "csv",
            "s,l\nx,0\nx,y,1\n",
            r"train.csv, line 3: expected 2 comma-separated fields \(s, l\), found 3; .*quotes",
        ),
        ("csv", "s,l\nx,0\n\n", r"line 3: expected 2 .*found 0 \(an empty line\)"),
        ("csv", 's,l\nx,0\n"a"b,0\n', r"train.csv, line 3: expected fields separated by commas \(.*; put a text"),
        ("csv", 's,l\nx,0\n"open,0\ny,1\n', r"train.csv, line 3: expected fields separated by commas"),
        (
            "jsonl",
            '{"a": 1}\n{"a": \n',
            r"train.jsonl, line 2: expected a JSON object, found no JSON \(.*one object per line",
        ),
        ("jsonl", '{"a": NaN}\n', r"line 1: expected a JSON object, found no JSON \(NaN is no JSON number"),
        ("jsonl", '{"a": "x"}\n{"a": "\\ud83d"}\n', r"line 2: expected text, found .* one half of a surrogate pair"),
        ("jsonl", '{"a": 1}\n["a"]\n', r"line 2: expected a JSON object, found a list"),
        ("jsonl", '{"a": 1}\n{"b": 1}\n', r"line 2: expected the keys of the first object \(a\), found b"),
        ("jsonl", '{"a": ["x"]}\n{"a": "x"}\n', r"line 2: expected a list of strings or integers in 'a' .*found 'x'"),
        ("jsonl", '{"a": "x"}\n{"a": ["x"]}\n', r"line 2: expected a single value in 'a' .*found \['x'\]"),
        ("conll", "in\tO\nBerlin\n", r"train.conll, line 2: expected a word, white space and its tag, found 'Berlin'"),
        ("conll", "New York\tB-loc\n", r"line 1: expected a word, .*found 'New York\\tB-loc'; write one word"),
        ("conll", "\tO\n", r"line 1: expected a word"),
        ("txt", "a\tb\nc\n", r"train.txt, line 2: expected 2 tab-separated texts .*found 1"),
    ],
)
def test_refuses(tmp_path: Path, suffix: str, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(tmp_path, suffix, content)


def test_a_missing_column_is_refused_and_the_nearest_named(tmp_path: Path) -> None:
    table = _read(tmp_path, "tsv", "sentence\tlabels\nx\t0\n")
    with pytest.raises(InputError, match=r"column 'label', found sentence, labels; did you mean 'labels'\?"):
        table.column("label")
