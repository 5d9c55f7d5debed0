"""Reading one tab-separated file."""

import hashlib
from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.tasks.tables import read_table


def _table(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "train.tsv"
    path.write_bytes(raw)
    return path


def test_quotes_are_characters(tmp_path: Path) -> None:
    table = read_table(_table(tmp_path, b'sentence\tlabel\n"a\t0\nb" c\t1\n'))
    assert table.rows == [['"a', "0"], ['b" c', "1"]]
    assert table.column("label") == ["0", "1"]


@pytest.mark.parametrize(
    "raw",
    [b"s\tl\nx\t0\ny\t1", b"s\tl\r\nx\t0\r\ny\t1\r\n", b"\xef\xbb\xbfs\tl\nx\t0\ny\t1\n"],
    ids=["no last line end", "windows line ends", "byte order mark"],
)
def test_harmless_differences(tmp_path: Path, raw: bytes) -> None:
    table = read_table(_table(tmp_path, raw))
    assert (table.columns, table.rows) == (("s", "l"), [["x", "0"], ["y", "1"]])
    assert table.digest == hashlib.sha256(raw).hexdigest()


def test_unicode_line_separators_stay_in_the_text(tmp_path: Path) -> None:
    text = "a\u2028b\x0cc\x85d"
    assert read_table(_table(tmp_path, f"s\tl\n{text}\t0\n".encode())).rows == [[text, "0"]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", r"train.tsv is empty: expected a header line and at least one row"),
        (b"s\tl\n", r"train.tsv is empty.*found no row"),
        (b"s\ts\nx\t0\n", r"expected every column name once, found s, s"),
        (b"s\tl\nx\t0\nx\ty\t1\n", r"train.tsv, line 3: expected 2 tab-separated fields \(s, l\), found 3"),
        (b"s\tl\nx\t0\n\n", r"line 3: expected 2 .*found 1 \(an empty line\)"),
        (b"s\tl\nx\xe9\t0\n", r"train.tsv: expected UTF-8, found the byte 0xe9 at byte offset 5"),
    ],
)
def test_refuses(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(_table(tmp_path, raw))


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*train.tsv: "):
        read_table(tmp_path / "train.tsv")
