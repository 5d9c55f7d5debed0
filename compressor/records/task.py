"""What a teacher was trained for: the columns, the labels, the metric and the split that judges."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from compressor.errors import InputError

TaskKind = Literal["text-classification", "regression", "token-classification"]


@dataclass(frozen=True)
class TaskSpec:
    """One task, as read from a data folder or asked for on the command line.

    Args:
        kind: What is predicted.
        text_columns: One column of texts, or two for pairs, in the order in which they are encoded.
        label_column: The column of labels.
        label_names: Name of each class; the index is the class id.
        metric: Name of the metric, a key of `compressor.tasks.METRICS`.
        eval_split: Name of the split on which accuracy is promised.

    Raises:
        InputError: A field that no task can have; the message names it.

    Example:
        TaskSpec("text-classification", ("sentence",), "label", ("negative", "positive"), "accuracy", "test")
    """

    kind: TaskKind
    text_columns: tuple[str, ...]
    label_column: str
    label_names: tuple[str, ...]
    metric: str
    eval_split: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(TaskKind):
            raise InputError(f"task: expected one of {', '.join(get_args(TaskKind))}, found {self.kind!r}")
        self._check_columns()
        self._check_label_names()
        for field in ("metric", "eval_split"):
            if not getattr(self, field):
                raise InputError(f"{field}: expected a name, found an empty string; leave it out for the default")

    def _check_columns(self) -> None:
        if len(self.text_columns) not in (1, 2):
            raise InputError(f"text columns: expected 1 or 2, found {len(self.text_columns)}: {self.text_columns}")
        columns = (*self.text_columns, self.label_column)
        if not all(columns):
            raise InputError(f"columns: expected names, found an empty one in {columns}")
        if len(set(columns)) < len(columns):
            raise InputError(f"columns: expected different ones for texts and label, found {', '.join(columns)}")

    def _check_label_names(self) -> None:
        if len(self.label_names) < 2:
            raise InputError(f"label names: expected at least 2 classes, found {len(self.label_names)}")
        # Labels in files are matched without regard to case, so two such names could not be told apart.
        spellings = Counter(name.casefold() for name in self.label_names)
        twice = [name for name in self.label_names if spellings[name.casefold()] > 1]
        if twice:
            raise InputError(f"label names: expected different ones (case is ignored), found {', '.join(twice)}")
