r"""JSON Lines: one object per line, its keys are the columns.

    {"text": "fine", "label": 1}                                 -> [["fine", "1"]]
    {"tokens": ["in", "Berlin"], "tags": ["O", "B-location"]}    -> [["in Berlin", "O B-location"]]

A list of strings or integers becomes one cell, joined by single spaces; null is an empty cell.
"""

import json
from pathlib import Path
from typing import Any

from compressor.errors import InputError
from compressor.tasks.formats.table import Table, checked, read_text, split_lines


def read_jsonl(path: Path) -> Table:
    """Read one file; empty lines are passed over.

    Raises:
        InputError: Unreadable, empty, not UTF-8, a line that is not a JSON object, half of a character, objects with
            different keys, or a list where the first object has none.
    """
    text, digest = read_text(path)
    numbered = [(number, line) for number, line in enumerate(split_lines(text), start=1) if line.strip()]
    objects = [_object(line, f"{path}, line {number}") for number, line in numbered]
    lines = [number for number, _ in numbered]
    columns = tuple(objects[0]) if objects else ()
    words = frozenset(name for name in columns if _is_list(objects[0][name]))
    for number, found in zip(lines, objects, strict=True):
        _refuse_different(found, columns, words, f"{path}, line {number}")
    rows = [[_cell(found[name]) for name in columns] for found in objects]
    return checked(Table(path, columns, rows, lines, digest, words), what="keys", fix="give all objects the same keys")


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
        raise InputError(
            f"{where}: expected a JSON object, found no JSON ({error}); write one object per line"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{where}: expected a JSON object, found {_kind(found)}; write one object per line")
    if "\\u" in line:
        _refuse_half_characters(found, where)
    return found


def _refuse_half_characters(found: dict[str, Any], where: str) -> None:
    r"""A \ud83d without its other half is no character: no file and no tokenizer takes it."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: expected text, found {error.object[error.start]!r}, one half of a surrogate pair; write the "
            "character itself, or both halves"
        ) from error


def _refuse_constant(name: str) -> None:
    # NaN and Infinity, which Python reads and JSON does not have.
    raise ValueError(f"{name} is no JSON number")


def _refuse_different(found: dict[str, Any], columns: tuple[str, ...], words: frozenset[str], where: str) -> None:
    if set(found) != set(columns):
        raise InputError(
            f"{where}: expected the keys of the first object ({', '.join(columns)}), found {', '.join(found)}; "
            "give all objects the same keys"
        )
    for name in columns:
        if (name in words) != _is_list(found[name]):
            expected = "a list of strings or integers" if name in words else "a single value"
            raise InputError(f"{where}: expected {expected} in {name!r} as in the first object, found {found[name]!r}")


def _is_list(value: object) -> bool:
    """A list of words or tags; other lists are passed on as the text that they are."""
    return isinstance(value, list) and all(isinstance(item, str | int) for item in value)


def _cell(value: object) -> str:
    if isinstance(value, list) and _is_list(value):
        return " ".join(map(str, value))
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(value: object) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), "a single value")
