"""Rows of one table: texts, and labels as the kind of task has them."""

from collections.abc import Sequence

import numpy as np

from compressor.errors import InputError
from compressor.records.task import AGREEMENT, SCORE, TaskKind, TaskSpec
from compressor.tasks.data import Split, read_only
from compressor.tasks.files import UNLABELLED
from compressor.tasks.formats import Table
from compressor.tasks.labels import class_ids, find_label_names
from compressor.tasks.scores import parse_scores
from compressor.tasks.tags import find_tags, tag_ids
from compressor.tasks.understanding import has_labels


def find_names(train: Table, kind: TaskKind, column: str) -> tuple[str, ...]:
    """Names of the classes that the training labels have.

    Raises:
        InputError: A label that the kind of task cannot have, or one class only.
    """
    if kind == "regression":
        return (SCORE,)
    cells = train.column(column)
    names = (find_tags if kind == "token-classification" else find_label_names)(cells, train.places)
    if len(names) < 2:
        counted = " ".join(cells).split() if kind == "token-classification" else cells
        raise _only_one(train, names[0], len(counted), kind)
    return names


def read_rows(name: str, table: Table, spec: TaskSpec) -> Split:
    """The rows of one split.

    Raises:
        InputError: A column that is missing, or a label that the task does not have.
    """
    texts = _texts(table, spec)
    if not _is_labelled(name, table, spec):
        return Split(name, texts, None)
    cells, places = table.column(spec.label_column), table.places
    if spec.kind == "regression":
        return Split(name, texts, read_only(parse_scores(cells, places)))
    if spec.kind == "token-classification":
        ids, offsets = tag_ids([text for (text,) in texts], cells, spec.label_names, places)
        return Split(name, texts, read_only(ids), offsets)
    return Split(name, texts, read_only(class_ids(cells, spec.label_names, places)))


def refuse_one_label(train: Split, spec: TaskSpec, table: Table) -> None:
    """Refuse training rows that all have the same label: nothing can be learnt from them.

    Raises:
        InputError: They have.
    """
    if train.labels is None or len(values := np.unique(train.labels)) > 1:
        return
    found = str(values[0]) if spec.kind == "regression" else spec.label_names[int(values[0])]
    raise _only_one(table, found, len(train.labels), spec.kind)


def _only_one(train: Table, found: str, count: int, kind: TaskKind) -> InputError:
    what = "scores" if kind == "regression" else "classes"
    counted = "words" if kind == "token-classification" else "rows"
    return InputError(
        f"{train.path}: expected at least two {what}, found only {found!r} in all {count} {counted}; check "
        "--label-column"
    )


def _texts(table: Table, spec: TaskSpec) -> tuple[tuple[str, ...], ...]:
    names: Sequence[str] = spec.text_columns
    if not table.named:
        names = table.columns[:1] if table.word_columns else table.columns
    if len(names) != len(spec.text_columns):
        raise InputError(
            f"{table.path}: expected {len(spec.text_columns)} text(s) per row as in the training data, found "
            f"{len(names)}; write the texts of a pair with a tab between them"
        )
    columns = [table.column(name) for name in names]
    if spec.kind == "token-classification" and not set(names) <= table.word_columns:
        columns = [[" ".join(cell.split()) for cell in cells] for cells in columns]
    return tuple(zip(*columns, strict=True))


def _is_labelled(name: str, table: Table, spec: TaskSpec) -> bool:
    if spec.metric == AGREEMENT or name == UNLABELLED:
        return False
    # Public test sets often keep their labels back; a dev set without labels is a mistake.
    return name != "test" or has_labels(table, spec.label_column, spec.label_names)
