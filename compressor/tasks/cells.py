"""What a single label cell looks like: nothing, an integer, a float or a name."""

import re
from collections.abc import Sequence

from compressor.errors import InputError

INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?")
# Nothing, or what the GLUE sets on the hub have instead of test labels.
_NO_LABEL = {"", "-1"}


def is_float(cell: str) -> bool:
    """A number in decimal or exponent notation, not an integer."""
    return _FLOAT.fullmatch(cell.strip()) is not None


def is_number(cell: str) -> bool:
    """An integer or a float."""
    return is_float(cell) or INTEGER.fullmatch(cell.strip()) is not None


def no_labels(cells: Sequence[str], names: Sequence[str] | None = None) -> bool:
    """Whether all cells say that there is no label; `-1` does unless a class of `names` is called so."""
    return {cell.strip() for cell in cells} <= _NO_LABEL - set(names or ())


def require_label(label: str, place: str) -> None:
    """Refuse a row without a label among rows that have one.

    Raises:
        InputError: The label is empty.
    """
    if not label:
        raise InputError(
            f"{place}: expected a label, found an empty field; give every row one, or move the rows without to "
            "unlabelled.txt"
        )
