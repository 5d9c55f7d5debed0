"""File formats of data, one reader per file; all give a `Table`."""

from collections.abc import Callable
from pathlib import Path

from compressor.tasks.formats.conll import read_conll
from compressor.tasks.formats.csv import read_csv
from compressor.tasks.formats.jsonl import read_jsonl
from compressor.tasks.formats.table import Table
from compressor.tasks.formats.tsv import read_tsv
from compressor.tasks.formats.txt import read_txt

# Suffix -> reader.
FORMATS: dict[str, Callable[[Path], Table]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".conll": read_conll,
    ".txt": read_txt,
}

__all__ = ["FORMATS", "Table", "read_conll", "read_csv", "read_jsonl", "read_tsv", "read_txt"]
