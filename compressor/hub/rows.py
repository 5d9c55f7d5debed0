"""Files of a data set, whatever their format, to rows; and rows to the files that `read_task` reads.

    {"sentence": "fine", "label": 1}, names ("negative", "positive") -> "fine<TAB>positive"

TSV has no quoting, so a set with a tab, a line end or a list in a cell becomes JSON lines.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from compressor.errors import InputError, UnavailableError

Row = dict[str, Any]
Names = Mapping[str, tuple[str, ...]]
LABEL = "label"
_HIDDEN = (None, -1, "-1", "-1.0")  # where a hub's test set keeps its labels to itself
_ROWS_AT_ONCE = 4096
_LONGEST_FIELD = 2**31 - 1  # characters; the library's own limit of 131,072 is short for a text


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of one file, column -> value.

    Raises:
        InputError: The file cannot be read.
        UnavailableError: It is parquet, and pyarrow is not installed.
    """
    try:
        yield from _READERS[path.suffix](path)
    except (ValueError, csv.Error) as error:  # of json, of UTF-8 and of pyarrow too
        raise InputError(f"{path} cannot be read: {error}") from error


def write_splits(sources: Mapping[str, list[Path]], names: Names, folder: Path) -> None:
    """Write `SPLIT.tsv` (or `SPLIT.jsonl`) for every split, with the names of the classes in place of their ids.

    A column of labels that are all hidden is left out, and so are single rows without one.

    Args:
        sources: Split -> its files.
        names: Column -> names of its class ids.
        folder: Where the files go.

    Raises:
        InputError: A file cannot be read, or a class id has no name.
        UnavailableError: pyarrow is missing.
    """

    def rows(split: str) -> Iterator[Row]:
        for path in sources[split]:
            for row in read_rows(path):
                yield {column: _named(value, names.get(column), path) for column, value in row.items()}

    plain = all(_is_plain(row) for split in sources for row in rows(split))
    write, suffix = (_write_tsv, ".tsv") if plain else (_write_jsonl, ".jsonl")
    for split in sources:
        hidden = {column for column in (*names, LABEL) if all(_hidden(row, column) for row in rows(split))}
        labels = [column for column in names if column not in hidden]
        write(
            folder / (split + suffix),
            (
                {column: value for column, value in row.items() if column not in hidden}
                for row in rows(split)
                if not any(row[column] is None for column in labels)
            ),
        )


def _named(value: Any, names: tuple[str, ...] | None, path: Path) -> Any:
    """The name of a class id, or of each in a list; None for the -1 of a row without label."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(part, names, path) for part in value]
    try:
        identity = int(value)
    except ValueError:
        return value  # already a name
    if identity >= len(names):
        raise InputError(f"{path}: class id {identity} has no name; the card names {', '.join(names)}")
    return names[identity] if identity >= 0 else None


def _hidden(row: Row, column: str) -> bool:
    value = row.get(column)
    return not isinstance(value, list) and value in _HIDDEN


def _is_plain(row: Row) -> bool:
    """Whether a row can be a line of TSV; a hidden label is left out before it is written."""
    return all(
        not isinstance(value, list | dict) and not (isinstance(value, str) and set(value) & set("\t\n\r"))
        for value in row.values()
    )


def _write_tsv(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for number, row in enumerate(rows):
            if number == 0:
                stream.write("\t".join(row) + "\n")
            stream.write("\t".join("" if value is None else str(value) for value in row.values()) + "\n")


def _write_jsonl(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{path.name} is parquet, and {error.name} is not installed: pip install 'compressor[hub]'"
        ) from error
    for batch in parquet.ParquetFile(path).iter_batches(batch_size=_ROWS_AT_ONCE):
        yield from batch.to_pylist()


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield _object(line, number)


def _object(line: str, number: int) -> Row:
    row: Row = json.loads(line)
    if "\\u" not in line:
        return row
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"line {number} has one half of a surrogate pair, which is no character") from error
    return row


def _read_csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        csv.field_size_limit(_LONGEST_FIELD)
        for row in csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True):
            if None in row or None in row.values():
                raise ValueError(f"row {next(iter(row.values()))!r} ... has another number of fields than the header")
            yield row


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_csv,
}
