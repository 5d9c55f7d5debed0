"""An example of every record, built from its annotations, so that a new record is tested without a line here.

example(Workload) -> Workload(batch=1, sequence_length=2, threads=3)
"""

import importlib
import inspect
import pkgutil
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import count
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import compressor.records

# Fields whose values are checked when the record is made; the second value differs from the first.
VALID: dict[tuple[str, str], tuple[Any, Any]] = {
    ("Budget", "percentile"): (95.0, 90.0),
    ("TaskSpec", "kind"): ("text-classification", "token-classification"),
    ("TaskSpec", "text_columns"): (("sentence",), ("tokens",)),
    ("TaskSpec", "label_names"): (("O", "B-place"), ("O", "B-place", "I-place")),
}


def record_kinds() -> list[type]:
    """Every dataclass that a module of `compressor.records` defines."""
    modules = [f"compressor.records.{module.name}" for module in pkgutil.iter_modules(compressor.records.__path__)]
    return [
        kind
        for name in modules
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if is_dataclass(kind) and kind.__module__ == name
    ]


def example(kind: type, variant: int = 0) -> Any:
    """A record in which every field has a value of its own; variants 0 and 1 differ in every field that can differ."""
    return _record(kind, count(1 + 1000 * variant), variant)


def _record(kind: type, numbers: Any, variant: int) -> Any:
    hints = get_type_hints(kind)
    values = {}
    for field in fields(kind):
        valid = VALID.get((kind.__name__, field.name))
        values[field.name] = valid[variant] if valid else _value(hints[field.name], numbers, variant)
    return kind(**values)


def _value(hint: Any, numbers: Any, variant: int) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _value(arguments[0], numbers, variant)
    if origin is Literal:
        return arguments[variant % len(arguments)]
    if origin is tuple and arguments[-1] is ...:
        return tuple(_value(arguments[0], numbers, variant) for _ in range(2))
    if origin is tuple:
        return tuple(_value(argument, numbers, variant) for argument in arguments)
    if origin is dict:
        return {f"key {next(numbers)}": _value(arguments[1], numbers, variant) for _ in range(2)}
    return _plain(hint, numbers, variant)


def _plain(hint: Any, numbers: Any, variant: int) -> Any:
    if is_dataclass(hint):
        return _record(hint, numbers, variant)
    if issubclass(hint, Enum):
        members = list(hint)
        return members[variant % len(members)]
    number = next(numbers)
    if hint is bool:
        return bool(variant)
    made = {int: number, float: number % 90 + 0.1, str: f"naïve “{number}”"}
    return made[hint]
