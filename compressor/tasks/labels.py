"""Label cells of a file to class ids.

    cells ["Positive", "0", "1"], names ("negative", "positive") -> [1, 0, 1]

A cell is a name (case is ignored) or a class id. Where the names are numbers themselves, such as the stars ("1", "2",
"3"), a cell is a name only: read as an id, one star would become class 1, which is two stars.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.tasks.cells import INTEGER, is_float, require_label

_NAMES_SHOWN = 20


def find_label_names(cells: Sequence[str], places: Sequence[str]) -> tuple[str, ...]:
    """The distinct labels of a file, sorted: as numbers where all are integers, else as text without regard to case.

    Args:
        cells: One per row.
        places: Where each stands, for messages.

    Raises:
        InputError: An empty label, or one that is not an integer but a number.
    """
    found: dict[str, str] = {}
    for cell, place in zip(cells, places, strict=True):
        label = _normal(cell)
        if label.casefold() not in found:
            _refuse_number(label, place)
            found[label.casefold()] = label
    names = list(found.values())
    return tuple(sorted(names, key=int if _all_integers(names) else str.casefold))


def class_ids(cells: Sequence[str], names: Sequence[str], places: Sequence[str]) -> NDArray[np.int64]:
    """Class ids [rows] of labels.

    Args:
        cells: One per row.
        names: Name of each class.
        places: Where each cell stands, for messages.

    Raises:
        InputError: A label that is neither a name nor a class id; the message shows its place and the known ones.
    """
    by_name = {_normal(name).casefold(): index for index, name in enumerate(names)}
    by_id = {} if _all_integers(names) else {str(index): index for index in range(len(names))}
    known = by_id | by_name
    ids: dict[str, int] = {}
    for cell, place in zip(cells, places, strict=True):
        if cell not in ids:
            ids[cell] = _class_id(cell, known, names, place)
    return np.fromiter((ids[cell] for cell in cells), dtype=np.int64, count=len(cells))


def _class_id(cell: str, known: dict[str, int], names: Sequence[str], place: str) -> int:
    label = _normal(cell)
    if label.casefold() in known:
        return known[label.casefold()]
    _refuse_number(label, place)
    ids = "" if _all_integers(names) else f", or the class ids 0 to {len(names) - 1}"
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
    raise InputError(
        f"{place}: label {cell!r} is unknown; known are {shown}{ids}. "
        "The names come from the teacher's id2label, or else from the training data: correct the file or the names"
    )


def _refuse_number(label: str, place: str) -> None:
    require_label(label, place)
    if is_float(label):
        raise InputError(
            f"{place}: expected class labels: integers (1, not 1.0) or names, found the float label {label!r}; for "
            "scores the task is regression, with a teacher of one output"
        )


def _normal(cell: str) -> str:
    label = cell.strip()
    return str(int(label)) if INTEGER.fullmatch(label) else label


def _all_integers(names: Sequence[str]) -> bool:
    return all(INTEGER.fullmatch(name.strip()) for name in names)
