"""A part of the data whose rows all have the same label: what a metric still says there.

| metric | on one label |
| --- | --- |
| accuracy, agreement | a model that always answers so has it all |
| f1 of two classes | the same where the label is class 1; 0 for every model where it is class 0 |
| f1 of more classes | as accuracy |
| matthews, pearson, spearman | 0 for every model |
| entity_f1 | 0 for every model where the label is O |

Training data with one label is refused when it is read (`rows.py`). What is carved from it has as many classes as it
has, but for those with a single row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.records.task import AGREEMENT, TaskSpec
from compressor.tasks.data import Split
from compressor.tasks.targets import UNKNOWN

Values = NDArray[np.int64] | NDArray[np.float64]

_BLIND = ("matthews", "pearson", "spearman")
_OUTSIDE = "O"


def check_evaluation(split: Split, spec: TaskSpec) -> tuple[str, ...]:
    """What is to be known about the labels of the split that judges; nothing where there are several.

    Raises:
        InputError: All its labels are the same, and the metric has one value there whatever a model answers.
    """
    if split.labels is None or spec.metric == AGREEMENT or (label := only_label(split.labels)) is None:
        return ()
    if _is_blind(spec, label):
        counted = "words" if spec.kind == "token-classification" else "rows"
        raise InputError(
            f"evaluation split {split.name!r}: expected at least two labels to measure {spec.metric} on, found only "
            f"{_name(spec, label)!r} in all {len(split.labels)} {counted}; choose another with --eval-split, another "
            "--metric, or give more rows"
        )
    return one_label_notes(split.name, split.labels, spec)


def one_label_notes(part: str, values: Values, spec: TaskSpec) -> tuple[str, ...]:
    """A sentence if all labels of a part are the same, else none.

    Args:
        part: Its name.
        values: Class ids or scores of the rows or words that count.
        spec: The task.
    """
    label = only_label(values)
    if label is None:
        return ()
    found = "answers of the teacher" if spec.metric == AGREEMENT else "labels"
    blind = f"{spec.metric} is the same there whatever a model answers"
    said = blind if _is_blind(spec, label) else f"a model that always answers so has the full {spec.metric} there"
    return (f"All {len(values):,} {found} of `{part}` are {_name(spec, label)!r}: {said}.",)


def only_label(values: NDArray[Any]) -> int | float | None:
    """The label that all have; None where there are several, none, or unknown ones."""
    found = np.unique(values)
    if len(found) != 1 or (values.dtype == np.int64 and found[0] == UNKNOWN):
        return None
    label: int | float = found[0].item()
    return label


def _is_blind(spec: TaskSpec, label: float) -> bool:
    """Whether the metric has one value whatever a model answers."""
    if spec.metric == "f1":
        return len(spec.label_names) == 2 and label == 0
    if spec.metric == "entity_f1":
        return _name(spec, label) == _OUTSIDE
    return spec.metric in _BLIND


def _name(spec: TaskSpec, label: float) -> str:
    if spec.kind == "regression" or not spec.label_names:
        return f"{label:g}"
    return spec.label_names[int(label)]
