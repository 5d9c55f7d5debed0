"""The card of a data set (README.md): which file belongs to which split, and what the labels are called.

    configs:
    - config_name: sst2
      data_files: [{split: train, path: sst2/train-*}, {split: validation, path: sst2/validation-*}]
    dataset_info:
    - config_name: sst2
      features: [{name: label, dtype: {class_label: {names: {'0': negative, '1': positive}}}}]

Source: docs of the hub, "Manual configuration" and "Dataset cards". Without a card the names of the files decide.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

import yaml

from compressor.errors import InputError

# Our split -> what it is called on the hub; MultiNLI has a matched and a mismatched one.
SPLITS = {
    "train": ("train",),
    "dev": ("validation", "dev", "valid", "val", "validation_matched"),
    "test": ("test", "test_matched"),
}
SUFFIXES = (".parquet", ".jsonl", ".csv", ".tsv")
_FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)
_SHARD = r"(-\d+-of-\d+)?"

Card = Mapping[str, Any]
Files = dict[str, list[str]]


def parse_card(text: str) -> Card:
    """The metadata at the head of a card; empty where there is none that can be read."""
    found = _FRONT_MATTER.match(text)
    try:
        card = yaml.safe_load(found[1]) if found else {}
    except yaml.YAMLError:
        return {}
    return card if isinstance(card, dict) else {}


def choose_config(names: Iterable[str], card: Card, config: str | None, *, where: str) -> str | None:
    """The configuration that was asked for, else the default; None where the repository has no such thing.

    Raises:
        InputError: There are several, and none was asked for; the message lists them.
    """
    if config is not None:
        return config
    entries = _list(card.get("configs"))
    chosen = [entry for entry in entries if entry.get("default") or entry.get("config_name") == "default"]
    configs = _configs(card, _readable(names))
    if len(configs) > 1 and not chosen:
        raise InputError(
            f"the data set {where!r} holds several: name one of {', '.join(configs[:40])}, as in {where}/{configs[0]}"
        )
    return str((chosen or entries)[0].get("config_name")) if entries else None


def split_files(names: Iterable[str], card: Card, config: str | None, *, where: str) -> Files:
    """Split ("train", "dev", "test") -> its files, in order; splits that are not there are left out.

    Args:
        names: All files of the repository.
        card: Its card.
        config: Which of its data sets, as `choose_config` says.
        where: What an error calls the repository.

    Raises:
        InputError: Unknown configuration, or no training file in a format that is read.
    """
    readable = _readable(names)
    patterns = _patterns(card, config)
    files = _by_pattern(readable, patterns) if patterns else _by_name(readable, config)
    if "train" not in files:
        raise InputError(
            f"the data set {where!r} has no training file ({', '.join(SUFFIXES)})"
            + (f" for the configuration {config!r}" if config else "")
            + f": configurations are {', '.join(_configs(card, readable)) or 'not named'}; readable files are "
            f"{', '.join(readable[:20]) or 'none'}"
        )
    return files


def class_names(card: Card, config: str | None) -> dict[str, tuple[str, ...]]:
    """Column -> names of its class ids, in their order, for columns of one class or of a list of them."""
    infos = _list(card.get("dataset_info"))
    info = next((info for info in infos if config is None or info.get("config_name", config) == config), {})
    found = {}
    for feature in _list(info.get("features")):
        kind = feature.get("dtype")
        inner = kind if isinstance(kind, dict) else feature.get("sequence") or feature.get("list")
        names = inner.get("class_label", {}).get("names") if isinstance(inner, dict) else None
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names, key=int)]
        if names:
            found[str(feature["name"])] = tuple(map(str, names))
    return found


def _readable(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if PurePosixPath(name).suffix in SUFFIXES)


def _list(value: Any) -> list[dict[str, Any]]:
    """Cards write one entry or a list of them."""
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict)]


def _configs(card: Card, files: list[str]) -> list[str]:
    named = [str(entry["config_name"]) for entry in _list(card.get("configs")) if "config_name" in entry]
    return named or sorted({folder for name in files if (folder := str(PurePosixPath(name).parent)) != "."})


def _patterns(card: Card, config: str | None) -> dict[str, list[str]]:
    """Split of the hub -> patterns of its files, as the card says."""
    entry = next((entry for entry in _list(card.get("configs")) if entry.get("config_name") == config), {})
    named = {
        str(part["split"]): part["path"] for part in _list(entry.get("data_files")) if {"split", "path"} <= set(part)
    }
    return {split: path if isinstance(path, list) else [path] for split, path in named.items()}


def _by_pattern(files: list[str], patterns: dict[str, list[str]]) -> Files:
    found = {}
    for ours, theirs in SPLITS.items():
        wanted = next((patterns[name] for name in theirs if name in patterns), [])
        if chosen := [file for file in files if any(fnmatch(file, pattern) for pattern in wanted)]:
            found[ours] = chosen
    return found


def _by_name(files: list[str], config: str | None) -> Files:
    """Files that are called `train`, `train-00000-of-00002` and so on, in one format."""
    inside = [file for file in files if config is None or config in PurePosixPath(file).parts[:-1]]
    for suffix in SUFFIXES:
        found = {}
        for ours, theirs in SPLITS.items():
            chosen = [_called(inside, name + _SHARD + re.escape(suffix)) for name in theirs]
            if any(chosen):
                found[ours] = next(filter(None, chosen))
        if "train" in found:
            return found
    return {}


def _called(files: list[str], pattern: str) -> list[str]:
    return [file for file in files if re.fullmatch(pattern, PurePosixPath(file).name)]
