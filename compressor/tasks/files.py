"""Which files of a data folder are read: at most one per split.

    train.X; dev.X or validation.X; test.X; unlabelled.X        X: tsv, csv, jsonl, conll or txt

A folder may have `unlabelled` texts alone: they are then what is trained on. Other files are ignored.
"""

from pathlib import Path

from compressor.errors import InputError
from compressor.tasks.evaluation import TRAIN
from compressor.tasks.formats import FORMATS, Table

UNLABELLED = "unlabelled"
_SPLITS = (TRAIN, "dev", "validation", "test", UNLABELLED)
_FOUND_SHOWN = 20


def read_tables(source: Path) -> dict[str, Table]:
    """Tables by the name of their split; "train" is always there.

    Raises:
        InputError: No folder, nothing to train on, two files of one split, or a file that cannot be used.
    """
    paths = _find(source)
    if TRAIN not in paths and UNLABELLED in paths:
        paths[TRAIN] = paths.pop(UNLABELLED)
    if TRAIN not in paths:
        found = ", ".join(sorted(path.name for path in source.iterdir())[:_FOUND_SHOWN]) or "nothing"
        raise InputError(
            f"data: expected train{' or train'.join(FORMATS)} in {source}, found {found}; rename the file that the "
            "model is to learn from"
        )
    if "dev" in paths and "validation" in paths:
        raise InputError(
            f"data: expected {paths['dev'].name} or {paths['validation'].name} in {source}, found both; move one away"
        )
    return {name: FORMATS[path.suffix](path) for name, path in paths.items()}


def _find(source: Path) -> dict[str, Path]:
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise InputError(f"data: expected a folder with training data at {source}, found {found}; check --data")
    paths: dict[str, Path] = {}
    for name in _SPLITS:
        found_files = [path for suffix in FORMATS if (path := source / f"{name}{suffix}").exists()]
        if len(found_files) > 1:
            names = " and ".join(path.name for path in found_files)
            raise InputError(
                f"data: expected one file of the split {name!r} in {source}, found {names}; move one away"
            )
        if found_files:
            paths[name] = found_files[0]
    return paths
