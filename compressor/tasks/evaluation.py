"""Which split judges the engine.

    --eval-split, else `test` if it has labels, else `dev` / `validation`, else rows carved from train ("held_out")

Where the teacher's answers stand in for labels, no split needs any.
Every choice on the way is made on another split (`splits.py`); this one is only for the verdict.
"""

from collections.abc import Mapping

import numpy as np

from compressor.errors import InputError
from compressor.tasks.data import Split
from compressor.tasks.splits import carve

HELD_OUT = "held_out"
TRAIN = "train"

# Not the run's --seed: teacher and all engines must be judged by the same rows, run after run.
_HELD_OUT_SEED = 0
_PREFERRED = ("test", "dev", "validation")
_SAME_SPLIT = {"dev": "validation", "validation": "dev"}


def choose_evaluation(splits: Mapping[str, Split], wanted: str | None, *, need_labels: bool) -> str:
    """Name of the evaluation split; `HELD_OUT` where none exists and one has to be carved.

    Raises:
        InputError: `wanted` does not exist, is the training data, or has no labels and needs some.
    """
    usable = [name for name in _PREFERRED if name in splits and not (need_labels and splits[name].labels is None)]
    if wanted is None:
        return usable[0] if usable else HELD_OUT
    name = wanted if wanted in splits else _SAME_SPLIT.get(wanted, wanted)
    if name in usable or name == HELD_OUT:
        return name
    reason = "is there but has no labels" if name in splits else "is not there"
    reason = "is what the model learns from" if name == TRAIN else reason
    raise InputError(
        f"evaluation split {wanted!r} {reason}; expected one of {', '.join([*usable, HELD_OUT])} "
        f"({HELD_OUT}: carved from train), or leave --eval-split out"
    )


def carve_held_out(train: Split) -> tuple[Split, Split]:
    """(remaining train, held-out split): 10 % of the rows, at most 2000, stratified, always the same ones.

    Raises:
        InputError: Too few training rows.
    """
    try:
        rest, held_out = carve(train, seed=_HELD_OUT_SEED, part=HELD_OUT)
    except InputError as error:
        raise InputError(f"{error}, or a file with the rows to measure accuracy on: test or dev") from error
    return train.select(TRAIN, rest), train.select(HELD_OUT, held_out)


def shared_texts(train: Split, evaluation: Split) -> int:
    """How many evaluation rows have a text (or pair) that is also in train, letter by letter."""
    seen = set(train.texts)
    return int(np.sum([text in seen for text in evaluation.texts]))
