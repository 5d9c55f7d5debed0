"""Records to JSON and back, and their content hash.

    record -> {"schema": 1, "record": "Workload", ...fields} -> record

A record is a frozen dataclass. pydantic validates the types on the way in, so a file that was edited by hand or comes
from another version fails here, with the name of the field, and not three stages later.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from compressor.errors import InputError

SCHEMA_VERSION = 1

R = TypeVar("R")


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # 0.1 s: only paid by commands that read or write a record
    from pydantic_core import SchemaError

    try:
        return TypeAdapter(kind)
    except SchemaError as error:
        if "KeyboardInterrupt" in str(error):  # what pydantic makes of Ctrl-C while it builds a validator
            raise KeyboardInterrupt from error
        raise


def to_dict(record: object) -> dict[str, Any]:
    """Plain JSON types of one record, without the schema header."""
    if not is_dataclass(record) or isinstance(record, type):
        raise TypeError(f"expected a record (a dataclass instance), got {type(record).__name__}")
    plain: dict[str, Any] = _adapter(type(record)).dump_python(record, mode="json")
    return plain


def to_json(record: object, *, indent: int | None = 1) -> str:
    """One record as a JSON document with its schema version and its name."""
    document = {"schema": SCHEMA_VERSION, "record": type(record).__name__, **to_dict(record)}
    return json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)


def from_dict(kind: type[R], plain: dict[str, Any], *, where: str = "record") -> R:
    """A record from plain JSON types.

    Raises:
        InputError: A field is missing, unknown, of the wrong type or out of its range; the message names it.
    """
    from pydantic import ValidationError

    try:
        # Strict, and as JSON: lists are tuples and words are enums, but "3" and true are no integers.
        record: R = _adapter(cast(Any, kind)).validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or '(record)'}: {e['msg']}" for e in error.errors())
        raise InputError(f"{where} is not a valid {kind.__name__}: {faults}") from error
    if unknown := sorted(_unknown(plain, to_dict(record))):
        raise InputError(f"{where} is not a valid {kind.__name__}: it has no field {', '.join(unknown)}")
    return record


def _unknown(given: object, known: object, path: str = "") -> Iterator[str]:
    """Paths of the keys in `given` that the record did not take; pydantic passes over them."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key in known:
                yield from _unknown(value, known[key], f"{path}{key}.")
            else:
                yield f"{path}{key}"
    elif isinstance(given, list) and isinstance(known, list):
        for index, (a, b) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(a, b, f"{path}{index}.")


def from_json(kind: type[R], text: str, *, where: str = "record") -> R:
    """A record from the document that `to_json` wrote.

    Raises:
        InputError: Not JSON, another record, another schema version, or a field that is not valid.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON ({error}); was it cut off while it was written?") from error
    if not isinstance(document, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(document).__name__}")
    schema, name = document.pop("schema", None), document.pop("record", None)
    if schema != SCHEMA_VERSION or name != kind.__name__:
        raise InputError(
            f"{where}: expected {kind.__name__} of schema {SCHEMA_VERSION}, found {name} of schema {schema}; "
            "it was written by another version of compressor: make it again, or use that version"
        )
    return from_dict(kind, document, where=where)


def save(record: object, path: Path) -> None:
    """Write a record so that a reader sees the old file or the new one, never half of it.

    Raises:
        OSError: It cannot be written; what is at `path` is as it was, and nothing else is left.
    """
    text = to_json(record)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two processes must not write into one file
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def load(kind: type[R], path: Path) -> R:
    """Read a record that `save` wrote.

    Raises:
        InputError: The file is missing or not a valid record of this kind.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not JSON ({error}); was it damaged?") from error
    return from_json(kind, text, where=str(path))


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(*parts: object) -> str:
    """Content hash (16 hex digits) of records and plain JSON values, stable across processes."""
    plain = [[type(part).__name__, to_dict(part)] if is_dataclass(part) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
