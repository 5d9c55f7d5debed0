r"""Comma-separated files with a header line and quoting (RFC 4180).

    'text,label\n"fine, really",1\n' -> columns ("text", "label"), rows [["fine, really", "1"]]

A text between quotes may hold commas, line ends and, doubled, quotes.
"""

import csv
import io
from pathlib import Path

from compressor.errors import InputError
from compressor.tasks.formats.table import Table, checked, read_text

LONGEST_FIELD = 2**31 - 1  # characters; the library's own limit of 131,072 is short for a text


def read_csv(path: Path) -> Table:
    """Read one file.

    Raises:
        InputError: Unreadable, empty, not UTF-8, quotes that do not fit, a column name twice, or a row with another
            number of fields.
    """
    text, digest = read_text(path)
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in reader:
            rows.append(row)
            lines.append(line)
            line = reader.line_num + 1  # a quoted text may hold line ends
    except csv.Error as error:
        raise InputError(
            f"{path}, line {line}: expected fields separated by commas ({error}); put a text with a comma, a quote or "
            'a line end between quotes, and write a quote inside it as ""'
        ) from error
    columns = tuple(name.strip() for name in rows[0]) if rows else ()
    table = Table(path, columns, rows[1:], lines[1:], digest)
    return checked(
        table, what="comma-separated fields", fix="remove the line, or put texts with commas between quotes"
    )
