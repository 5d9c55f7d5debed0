r"""Tab-separated files in GLUE layout: UTF-8, one header line, no quoting.

    "sentence\tlabel\nfine\t1\n" -> columns ("sentence", "label"), rows [["fine", "1"]]

A `"` is a character like any other here; a quoting CSV reader would silently join lines.
"""

from pathlib import Path

from compressor.tasks.formats.table import Table, checked, read_text, split_lines


def read_tsv(path: Path) -> Table:
    """Read one file.

    Raises:
        InputError: Unreadable, empty, not UTF-8, a column name twice, or a row with another number of fields.
    """
    text, digest = read_text(path)
    header, *lines = split_lines(text) or [""]
    columns = tuple(name.strip() for name in header.split("\t"))
    table = Table(path, columns, [line.split("\t") for line in lines], range(2, 2 + len(lines)), digest)
    return checked(table, what="tab-separated fields", fix="remove the line, or the tab or line end inside its text")
