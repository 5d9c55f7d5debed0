r"""Plain texts without labels: one per line, or two with a tab between them for a pair.

    "fine\ndull\n" -> rows [["fine"], ["dull"]]

There is no header line, so nothing names the columns.
"""

from pathlib import Path

from compressor.tasks.formats.table import Table, checked, read_text, split_lines


def read_txt(path: Path) -> Table:
    """Read one file; empty lines are passed over.

    Raises:
        InputError: Unreadable, empty, not UTF-8, or lines with different numbers of tabs.
    """
    text, digest = read_text(path)
    numbered = [(number, line) for number, line in enumerate(split_lines(text), start=1) if line.strip()]
    rows = [line.split("\t") for _, line in numbered]
    columns = ("text",) if not rows or len(rows[0]) == 1 else tuple(f"sentence{n + 1}" for n in range(len(rows[0])))
    table = Table(path, columns, rows, [number for number, _ in numbered], digest, named=False)
    return checked(table, what="tab-separated texts", fix="write one text per line, or remove the tab inside it")
