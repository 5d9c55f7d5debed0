"""Read a data folder in GLUE layout.

    train.tsv, dev.tsv or validation.tsv, test.tsv -> TextData

Other files in the folder are ignored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from compressor.errors import InputError
from compressor.records.task import TaskSpec
from compressor.tasks.data import Split, TextData
from compressor.tasks.evaluation import HELD_OUT, TRAIN, carve_held_out, choose_evaluation, shared_texts
from compressor.tasks.labels import class_ids, find_label_names
from compressor.tasks.metrics import get_metric
from compressor.tasks.tables import Table, read_table

FILES = ("train", "dev", "validation", "test")

# Pairs first: a question and a sentence (QNLI) are not a sentence alone.
_KNOWN_TEXTS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("sentence",),
    ("text",),
)
_NO_LABEL = "-1"  # what the GLUE sets on the hub have instead of test labels


def read_task(
    folder: Path | str,
    *,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    metric: str | None = None,
    eval_split: str | None = None,
    label_names: Sequence[str] | None = None,
) -> TextData:
    """Read and check the splits of one task.

    Args:
        folder: Holds `train.tsv`, and `dev.tsv` or `validation.tsv`, and `test.tsv` where there are such.
        text_columns: One or two columns; default: the first known ones in the header of `train.tsv`.
        label_column: Default `label`.
        metric: Default `accuracy`.
        eval_split: Default `test` if it has labels, else `dev` or `validation`, else carved from train.
        label_names: Name of each class, in the order of the class ids (the teacher's id2label); default: the labels
            found in `train.tsv`, sorted.

    Raises:
        InputError: The folder cannot be used; the message names file, line and what was expected.
    """
    get_metric(metric or "accuracy")
    source = Path(folder)
    tables = _read_tables(source)
    spec = TaskSpec(
        kind="text-classification",
        text_columns=_text_columns(tables[TRAIN]) if text_columns is None else tuple(text_columns),
        label_column=label_column or "label",
        label_names=_label_names(tables[TRAIN], label_column or "label", label_names),
        metric=metric or "accuracy",
        eval_split=eval_split or HELD_OUT,  # until it is known which splits have labels
    )
    splits = {name: _split(name, table, spec) for name, table in tables.items()}
    notes = [_unlabelled_note(split) for split in splits.values() if split.labels is None]
    evaluation = choose_evaluation(splits, eval_split)
    if evaluation == HELD_OUT:
        splits[TRAIN], splits[HELD_OUT] = carve_held_out(splits[TRAIN])
        notes.append(_held_out_note(splits))
    notes.extend(_overlap_notes(splits, evaluation))
    return TextData(replace(spec, eval_split=evaluation), splits, source, _digest(tables), tuple(notes))


def _read_tables(source: Path) -> dict[str, Table]:
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise InputError(f"data: expected a folder with train.tsv at {source}, found {found}; check --data")
    paths = {name: source / f"{name}.tsv" for name in FILES if (source / f"{name}.tsv").exists()}
    if TRAIN not in paths:
        found = ", ".join(sorted(path.name for path in source.iterdir())[:20]) or "nothing"
        raise InputError(f"data: expected {source / 'train.tsv'} (tab-separated, with a header line), found {found}")
    if "dev" in paths and "validation" in paths:
        raise InputError(f"data: expected dev.tsv or validation.tsv in {source}, found both; move one away")
    return {name: read_table(path) for name, path in paths.items()}


def _text_columns(table: Table) -> tuple[str, ...]:
    for columns in _KNOWN_TEXTS:
        if set(columns) <= set(table.columns):
            return columns
    known = ", ".join("+".join(columns) for columns in _KNOWN_TEXTS)
    raise InputError(
        f"{table.path}: expected a header line with text columns ({known}), found columns {', '.join(table.columns)}; "
        "name yours with --text-column, or add a header line"
    )


def _label_names(train: Table, column: str, given: Sequence[str] | None) -> tuple[str, ...]:
    cells = train.column(column)
    names = find_label_names(cells, where=train.path) if given is None else tuple(given)
    present = np.unique(class_ids(cells, names, where=train.path))
    if len(present) < 2:
        raise InputError(
            f"{train.path}: expected at least two classes, found only {names[present[0]]!r} in all {len(cells)} rows; "
            "check --label-column"
        )
    return names


def _split(name: str, table: Table, spec: TaskSpec) -> Split:
    texts = tuple(zip(*(table.column(column) for column in spec.text_columns), strict=True))
    if name == "test" and not _has_labels(table, spec):
        return Split(name, texts, None)
    return Split(name, texts, class_ids(table.column(spec.label_column), spec.label_names, where=table.path))


def _has_labels(table: Table, spec: TaskSpec) -> bool:
    if spec.label_column not in table.columns:
        return False
    return _NO_LABEL in spec.label_names or set(table.column(spec.label_column)) != {_NO_LABEL}


def _unlabelled_note(split: Split) -> str:
    return f"{split.name}.tsv has no labels ({len(split):,} rows): it is not used to measure accuracy."


def _held_out_note(splits: dict[str, Split]) -> str:
    held_out, rest = len(splits[HELD_OUT]), len(splits[TRAIN])
    return f"Accuracy is measured on {held_out:,} rows carved from train.tsv; {rest:,} rows are left to train on."


def _overlap_notes(splits: dict[str, Split], evaluation: str) -> list[str]:
    shared, rows = shared_texts(splits[TRAIN], splits[evaluation]), len(splits[evaluation])
    return [f"{shared:,} of the {rows:,} texts of {evaluation} are also in train."] if shared else []


def _digest(tables: dict[str, Table]) -> str:
    lines = "".join(f"{table.digest}  {table.path.name}\n" for table in tables.values())
    return hashlib.sha256(lines.encode()).hexdigest()
