"""The one shape that every file format is read into: named columns of text cells."""

import codecs
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Table:
    """The cells of one file.

    Args:
        path: Of the file.
        columns: Their names, in the file's order.
        rows: A cell per column. An empty cell in the column of labels means that the row has none.
        lines: The line on which each row begins, from 1; for messages.
        digest: sha256 (hex) of the file.
        word_columns: Columns whose cells are lists of words (or tags), joined by single spaces.
        named: Whether the file names its columns; if not, they are taken in their order.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: Sequence[int]
    digest: str
    word_columns: frozenset[str] = frozenset()
    named: bool = True

    @property
    def places(self) -> list[str]:
        """File and line of each row, for messages."""
        return [f"{self.path}, line {line}" for line in self.lines]

    def column(self, name: str) -> list[str]:
        """The cells of one column.

        Raises:
            InputError: There is no such column; the message lists those found, and the nearest.
        """
        if name not in self.columns:
            raise InputError(
                f"{self.path}: expected a column {name!r}, found {', '.join(self.columns)}"
                f"{did_you_mean(name, self.columns)}"
            )
        position = self.columns.index(name)
        return [row[position] for row in self.rows]


def read_text(path: Path) -> tuple[str, str]:
    """(text, sha256 of the bytes) of a file in UTF-8; line ends become those of Unix.

    Raises:
        InputError: Unreadable, or not UTF-8; with the line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        looks = " (it begins like UTF-16)" if raw.startswith(_UTF16) else ""
        raise InputError(
            f"{path}, line {line}: expected UTF-8, found the byte 0x{raw[error.start]:02x} at byte offset "
            f"{error.start}, which is not{looks}; save the file as UTF-8"
        ) from error
    return text.replace("\r\n", "\n"), hashlib.sha256(raw).hexdigest()


def split_lines(text: str) -> list[str]:
    """Lines without their ends; what follows the last line end is no line if it is empty."""
    # Not splitlines(): texts may hold U+2028, form feeds and other characters that it takes for line ends.
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def checked(table: Table, *, what: str, fix: str) -> Table:
    """The table itself, if it is one.

    Args:
        table: As the file has it.
        what: Name of a row's parts, in the plural.
        fix: What to do about a row with another number of them.

    Raises:
        InputError: No row, a column name twice, or a row with another number of cells.
    """
    path, columns = table.path, table.columns
    if len(set(columns)) < len(columns):
        raise InputError(f"{path}: expected every column name once, found {', '.join(columns)}")
    if not table.rows or not any(columns):
        raise InputError(f"{path} is empty: expected at least one row of data, found none; fill the file or remove it")
    for line, row in zip(table.lines, table.rows, strict=True):
        if len(row) != len(columns):
            empty = " (an empty line)" if row in ([], [""]) else ""
            raise InputError(
                f"{path}, line {line}: expected {len(columns)} {what} ({', '.join(columns)}), "
                f"found {len(row)}{empty}; {fix}"
            )
    return table
