"""Label cells of a file to the scores of a regression."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.tasks.cells import is_number, require_label


def parse_scores(cells: Sequence[str], places: Sequence[str]) -> NDArray[np.float64]:
    """Scores float64 [rows].

    Args:
        cells: One number per row.
        places: Where each stands, for messages.

    Raises:
        InputError: A cell that is not a finite number.
    """
    return np.array([_score(cell.strip(), place) for cell, place in zip(cells, places, strict=True)], dtype=np.float64)


def _score(cell: str, place: str) -> float:
    require_label(cell, place)
    score = float(cell) if is_number(cell) else math.nan
    if not math.isfinite(score):  # 1e999 is a number, and infinite
        raise InputError(
            f"{place}: expected a finite number, as the task is regression, found {cell!r}; correct the label, or "
            "give another task"
        )
    return score
