"""Label cells of a file to class ids.

    cells ["Positive", "0", "1"], names ("negative", "positive") -> [1, 0, 1]

A cell is a name (case is ignored) or a class id. Where the names are numbers themselves, such as the stars ("1", "2",
"3"), a cell is a name only: read as an id, one star would become class 1, which is two stars.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.tasks.tables import FIRST_ROW_LINE

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?")
_NAMES_SHOWN = 20


def find_label_names(cells: Sequence[str], *, where: Path) -> tuple[str, ...]:
    """The distinct labels of a file, sorted: as numbers where all are integers, else as text without regard to case.

    Raises:
        InputError: An empty label, or one that is not an integer but a number.
    """
    found: dict[str, str] = {}
    for line, cell in enumerate(cells, start=FIRST_ROW_LINE):
        label = _normal(cell)
        if label.casefold() not in found:
            _refuse_number(label, where, line)
            found[label.casefold()] = label
    names = list(found.values())
    return tuple(sorted(names, key=int if _all_integers(names) else str.casefold))


def class_ids(cells: Sequence[str], names: Sequence[str], *, where: Path) -> NDArray[np.int64]:
    """Class ids [rows] of the labels of a file, read-only.

    Raises:
        InputError: A label that is neither a name nor a class id; the message shows its line and the known ones.
    """
    by_name = {_normal(name).casefold(): index for index, name in enumerate(names)}
    by_id = {} if _all_integers(names) else {str(index): index for index in range(len(names))}
    known = by_id | by_name
    ids: dict[str, int] = {}
    for line, cell in enumerate(cells, start=FIRST_ROW_LINE):
        if cell not in ids:
            ids[cell] = _class_id(cell, known, names, f"{where}, line {line}")
    labels = np.fromiter((ids[cell] for cell in cells), dtype=np.int64, count=len(cells))
    labels.setflags(write=False)
    return labels


def _class_id(cell: str, known: dict[str, int], names: Sequence[str], where: str) -> int:
    label = _normal(cell)
    if label.casefold() in known:
        return known[label.casefold()]
    _refuse_number(label, where)
    ids = "" if _all_integers(names) else f", or the class ids 0 to {len(names) - 1}"
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
    raise InputError(
        f"{where}: label {cell!r} is unknown; known are {shown}{ids}. "
        "The names come from the teacher's id2label, or else from train.tsv: correct the file or the names"
    )


def _refuse_number(label: str, where: Path | str, line: int | None = None) -> None:
    place = f"{where}" if line is None else f"{where}, line {line}"
    if not label:
        raise InputError(f"{place}: expected a label, found an empty field")
    if _FLOAT.fullmatch(label):
        raise InputError(
            f"{place}: found the float label {label!r}, and regression is not supported yet; "
            "expected class labels: integers (1, not 1.0) or names"
        )


def _normal(cell: str) -> str:
    label = cell.strip()
    return str(int(label)) if _INTEGER.fullmatch(label) else label


def _all_integers(names: Sequence[str]) -> bool:
    return all(_INTEGER.fullmatch(name.strip()) for name in names)
