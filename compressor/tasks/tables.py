r"""Tab-separated files in GLUE layout: UTF-8, one header line, no quoting.

    "sentence\tlabel\nfine\t1\n" -> columns ("sentence", "label"), rows [["fine", "1"]]

A `"` is a character like any other here; a quoting CSV reader would silently join lines.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError

FIRST_ROW_LINE = 2  # line 1 is the header


@dataclass(frozen=True)
class Table:
    """The cells of one file; row `i` stands on line `i + FIRST_ROW_LINE`."""

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]]
    digest: str

    def column(self, name: str) -> list[str]:
        """The cells of one column.

        Raises:
            InputError: There is no such column; the message lists those found.
        """
        if name not in self.columns:
            raise InputError(f"{self.path}: expected a column {name!r}, found {', '.join(self.columns)}")
        position = self.columns.index(name)
        return [row[position] for row in self.rows]


def read_table(path: Path) -> Table:
    """Read one file.

    Raises:
        InputError: Unreadable, empty, not UTF-8, a column name twice, or a row with another number of fields.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    lines = _lines(_decode(raw, path))
    columns = tuple(name.strip() for name in lines[0].split("\t"))
    if len(set(columns)) < len(columns):
        raise InputError(f"{path}: expected every column name once, found {', '.join(columns)}")
    rows = [line.split("\t") for line in lines[1:]]
    if not rows:
        raise InputError(f"{path} is empty: expected a header line and at least one row, found no row")
    _refuse_ragged(rows, columns, path)
    return Table(path, columns, rows, hashlib.sha256(raw).hexdigest())


def _decode(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8, found the byte 0x{raw[error.start]:02x} at byte offset {error.start}, "
            "which is not; save the file as UTF-8"
        ) from error


def _lines(text: str) -> list[str]:
    # Not splitlines(): texts may hold U+2028, form feeds and other characters that it takes for line ends.
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" and len(lines) > 1 else lines


def _refuse_ragged(rows: list[list[str]], columns: tuple[str, ...], path: Path) -> None:
    for line, row in enumerate(rows, start=FIRST_ROW_LINE):
        if len(row) != len(columns):
            empty = " (an empty line)" if row == [""] else ""
            raise InputError(
                f"{path}, line {line}: expected {len(columns)} tab-separated fields ({', '.join(columns)}), "
                f"found {len(row)}{empty}; remove the line, or the tab or line end inside its text"
            )
