"""What a teacher was trained for: the columns, the labels, the metric and the split that judges."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean

TaskKind = Literal["text-classification", "regression", "token-classification"]
TASK_KINDS: tuple[TaskKind, ...] = get_args(TaskKind)

# The metric of data without labels, or whose labels are not to be used: the share of answers equal to the teacher's.
AGREEMENT = "agreement"
# Name of the one output of a regression whose name nobody gave.
SCORE = "score"
# B- begins an entity of a type, I- goes on with it, O is outside (Ramshaw and Marcus, 1995, as IOB2).
BIO = re.compile(r"O|[BI]-.+")


@dataclass(frozen=True)
class TaskSpec:
    """One task, as read from a data folder or asked for on the command line.

    Args:
        kind: What is predicted: a class per text, a number per text, or a BIO tag per word.
        text_columns: One column of texts, or two for pairs, in the order in which they are encoded; always one for
            token classification, whose texts are words joined by single spaces.
        label_column: The column of labels; not read where the metric is `agreement`.
        label_names: Name of each class, the index is the class id; BIO tags for token classification, the one name of
            the output for regression. Empty where the metric is `agreement` and nothing names the classes.
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
        check_kind(self.kind)
        self._check_columns()
        self._check_label_names()
        for field in ("metric", "eval_split"):
            if not getattr(self, field):
                raise InputError(f"{field}: expected a name, found an empty string; leave it out for the default")

    def _check_columns(self) -> None:
        most = 1 if self.kind == "token-classification" else 2
        if not 1 <= len(self.text_columns) <= most:
            raise InputError(
                f"text columns: expected 1{' or 2' if most == 2 else ''}, found {len(self.text_columns)}: "
                f"{self.text_columns}"
            )
        columns = (*self.text_columns, self.label_column)
        if not all(columns):
            raise InputError(f"columns: expected names, found an empty one in {columns}")
        if len(set(columns)) < len(columns):
            raise InputError(f"columns: expected different ones for texts and label, found {', '.join(columns)}")

    def _check_label_names(self) -> None:
        names = self.label_names
        if not names and self.metric == AGREEMENT:
            return
        if self.kind == "regression":
            if len(names) != 1:
                raise InputError(f"label names: expected exactly one for regression, found {len(names)}: {names}")
            return
        if len(names) < 2:
            raise InputError(f"label names: expected at least 2 classes, found {len(names)}")
        # Labels in files are matched without regard to case, so two such names could not be told apart.
        spellings = Counter(name.casefold() for name in names)
        twice = [name for name in names if spellings[name.casefold()] > 1]
        if twice:
            raise InputError(f"label names: expected different ones (case is ignored), found {', '.join(twice)}")
        if self.kind == "token-classification":
            check_bio(names, where="label names")


def check_kind(kind: str, *, flag: str = "task") -> TaskKind:
    """The kind of that name.

    Raises:
        InputError: There is none; the message names all, and the nearest.
    """
    for known in TASK_KINDS:
        if kind == known:
            return known
    raise InputError(
        f"{flag}: expected one of {', '.join(TASK_KINDS)}, found {kind!r}{did_you_mean(kind, TASK_KINDS)}"
    )


def check_bio(tags: tuple[str, ...], *, where: str) -> None:
    """Refuse tags that no entity can be read from.

    Raises:
        InputError: A tag that is not `O`, `B-type` or `I-type`.
    """
    for tag in tags:
        if not BIO.fullmatch(tag):
            raise InputError(f"{where}: expected BIO tags (O, B-type, I-type), found {tag!r}; rename the tags")
