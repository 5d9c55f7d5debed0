r"""CoNLL files: a word per line, its tag in the last column, an empty line between sentences.

    "in\tO\nBerlin\tB-location\n\nfine\tO\n" -> rows [["in Berlin", "O B-location"], ["fine", "O"]]

Columns are separated by tabs, or by spaces in a line without tabs; those between word and tag are not read. Lines that
begin with -DOCSTART- (CoNLL-2003) part documents and are passed over.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from compressor.errors import InputError
from compressor.tasks.formats.table import Table, checked, read_text, split_lines

TOKENS, TAGS = "tokens", "tags"
_DOCUMENT = "-DOCSTART-"


def read_conll(path: Path) -> Table:
    """Read one file; its columns are `tokens` and `tags`.

    Raises:
        InputError: Unreadable, empty, not UTF-8, or a line without a word and a tag.
    """
    text, digest = read_text(path)
    sentences = list(_sentences(split_lines(text), path))
    rows = [[" ".join(word for word, _ in words), " ".join(tag for _, tag in words)] for _, words in sentences]
    lines = [first for first, _ in sentences]
    table = Table(path, (TOKENS, TAGS), rows, lines, digest, frozenset((TOKENS, TAGS)), named=False)
    return checked(table, what="columns", fix="write one word and its tag per line")


def _sentences(lines: list[str], path: Path) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """(line of the first word, words with their tags) of each sentence."""
    words: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith(_DOCUMENT):
            continue
        if line.strip():
            words.append(_word(line, f"{path}, line {number}"))
        elif words:
            yield number - len(words), words
            words = []
    if words:
        yield len(lines) + 1 - len(words), words


def _word(line: str, where: str) -> tuple[str, str]:
    # Not split(): a word may hold a no-break space, which is white space to it.
    columns = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
    word, tag = columns[0].strip(" "), columns[-1].strip(" ")
    if len(columns) < 2 or not word or not tag or " " in word or " " in tag:
        raise InputError(
            f"{where}: expected a word, white space and its tag, found {line!r}; write one word without spaces per "
            "line, and an empty line between sentences"
        )
    return word, tag
