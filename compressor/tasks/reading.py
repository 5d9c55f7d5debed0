"""Read a data folder.

    train.X, dev.X or validation.X, test.X, unlabelled.X -> TextData

Which files are read is said in `files.py`, what their columns mean in `understanding.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean
from compressor.records.task import AGREEMENT, TaskKind, TaskSpec, check_kind
from compressor.tasks.data import Split, TextData
from compressor.tasks.evaluation import HELD_OUT, TRAIN, carve_held_out, choose_evaluation, shared_texts
from compressor.tasks.files import UNLABELLED, read_tables
from compressor.tasks.formats import Table
from compressor.tasks.metrics import check_metric, default_metric, get_metric
from compressor.tasks.one_label import check_evaluation
from compressor.tasks.rows import find_names, read_rows, refuse_one_label
from compressor.tasks.understanding import find_kind, find_label_column, find_text_columns, has_labels


def read_task(
    folder: Path | str,
    *,
    task: str | None = None,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    metric: str | None = None,
    eval_split: str | None = None,
    label_names: Sequence[str] | None = None,
    agreement: bool | None = None,
) -> TextData:
    """Read and check the splits of one task.

    Args:
        folder: Holds `train`, and `dev` or `validation`, and `test` where there are such, each as `.tsv`, `.csv`,
            `.jsonl`, `.conll` or `.txt`; or `unlabelled` texts.
        task: A `TaskKind`; default: what the training data looks like.
        text_columns: One or two columns; default: the first known ones of the training data.
        label_column: Default `label`, or `ner_tags`, `tags` or `labels` beside a column of words.
        metric: Default `accuracy`, `pearson` or `entity_f1`, or `agreement` where labels are not used.
        eval_split: Default `test` if it has labels, else `dev` or `validation`, else carved from train.
        label_names: Name of each class, in the order of the class ids (the teacher's id2label); default: the labels
            found in the training data, sorted.
        agreement: True: measure agreement with the teacher and use no label. False: labels are needed. Default:
            agreement where the training data has no labels.

    Raises:
        InputError: The folder cannot be used; the message names file, line and what was expected. Or the metric has
            the same value for every model on the evaluation split.
    """
    if metric is not None:
        get_metric(metric)
    kind = None if task is None else check_kind(task)
    source = Path(folder)
    tables = read_tables(source)
    spec = _understand(
        tables[TRAIN],
        kind,
        text_columns=text_columns,
        label_column=label_column,
        metric=metric,
        label_names=label_names,
        agreement=agreement,
    )
    splits = {name: read_rows(name, table, spec) for name, table in tables.items()}
    refuse_one_label(splits[TRAIN], spec, tables[TRAIN])
    notes = _label_notes(splits, tables, spec)
    evaluation = choose_evaluation(splits, eval_split, need_labels=spec.metric != AGREEMENT)
    if evaluation == HELD_OUT:
        splits[TRAIN], splits[HELD_OUT] = carve_held_out(splits[TRAIN])
        notes.append(_held_out_note(splits, tables))
    notes.extend(check_evaluation(splits[evaluation], spec))
    notes.extend(_overlap_notes(splits, evaluation))
    return TextData(replace(spec, eval_split=evaluation), splits, source, _digest(tables), tuple(notes))


def _understand(
    train: Table,
    kind: TaskKind | None,
    *,
    text_columns: Sequence[str] | None,
    label_column: str | None,
    metric: str | None,
    label_names: Sequence[str] | None,
    agreement: bool | None,
) -> TaskSpec:
    """The task, its evaluation split still open."""
    texts = find_text_columns(train, kind) if text_columns is None else tuple(text_columns)
    column = label_column or find_label_column(train, texts)
    wanted = _wanted_metric(metric, agreement)
    labelled = wanted != AGREEMENT and has_labels(train, column, label_names)
    if not labelled and wanted != AGREEMENT and (label_column or metric or agreement is False):
        raise _no_labels(train, column)
    kind = kind or find_kind(train, texts, train.column(column) if labelled else (), label_names)
    names = tuple(label_names or (find_names(train, kind, column) if labelled else ()))
    return TaskSpec(
        kind=kind,
        text_columns=texts,
        label_column=column,
        label_names=names,
        metric=check_metric(kind, (wanted or default_metric(kind)) if labelled else AGREEMENT),
        eval_split=HELD_OUT,  # until it is known which splits there are
    )


def _wanted_metric(metric: str | None, agreement: bool | None) -> str | None:
    if agreement and metric not in (None, AGREEMENT):
        raise InputError(
            f"metric: expected {AGREEMENT} or none where no label is used, found {metric!r}; leave it out"
        )
    return AGREEMENT if agreement else metric


def _no_labels(train: Table, column: str) -> InputError:
    found = f"the columns {', '.join(train.columns)}{did_you_mean(column, train.columns)}"
    if column in train.columns:
        found = "only empty ones"
    return InputError(
        f"{train.path}: expected labels in a column {column!r}, found {found}; "
        "add labels, name their column with --label-column, or compare with the teacher's own answers: "
        "--min-agreement 98%"
    )


def _label_notes(splits: dict[str, Split], tables: dict[str, Table], spec: TaskSpec) -> list[str]:
    if spec.metric == AGREEMENT:
        return ["No labels are used: accuracy is the share of answers that are the teacher's."]
    notes = []
    for name, split in splits.items():
        if split.labels is None:
            use = "the student also learns from them" if name == UNLABELLED else "it is not used to measure accuracy"
            notes.append(f"{tables[name].path.name} has no labels ({len(split):,} rows): {use}.")
    return notes


def _held_out_note(splits: dict[str, Split], tables: dict[str, Table]) -> str:
    held_out, rest = len(splits[HELD_OUT]), len(splits[TRAIN])
    return (
        f"Accuracy is measured on {held_out:,} rows carved from {tables[TRAIN].path.name}; {rest:,} rows are left to "
        "train on."
    )


def _overlap_notes(splits: dict[str, Split], evaluation: str) -> list[str]:
    shared, rows = shared_texts(splits[TRAIN], splits[evaluation]), len(splits[evaluation])
    return [f"{shared:,} of the {rows:,} texts of {evaluation} are also in train."] if shared else []


def _digest(tables: dict[str, Table]) -> str:
    lines = "".join(f"{table.digest}  {table.path.name}\n" for table in tables.values())
    return hashlib.sha256(lines.encode()).hexdigest()
