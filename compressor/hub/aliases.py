"""Short names, from `aliases.yaml`.

    bert-base             -> the fine-tuned checkpoint of bert-base, and the data that it was fine-tuned on
    bert-base, my/data    -> the pre-trained bert-base, to be fine-tuned on my/data

A folder of that name wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from compressor.errors import InputError
from compressor.profiles.strict_yaml import read_strict_yaml
from compressor.records.suggestion import nearest

ALIASES_FILE = Path(__file__).with_name("aliases.yaml")


@dataclass(frozen=True)
class Alias:
    """What a short name stands for.

    Attributes:
        base: Repository of the pre-trained model.
        data: Name of the data set that belongs to it.
        teacher: Repository of a model that was fine-tuned on `data`; None = `base` is fine-tuned on it first.
    """

    base: str
    data: str
    teacher: str | None = None


@cache
def load_aliases() -> dict[str, Alias]:
    """All aliases by name."""
    return {name: Alias(**fields) for name, fields in _section("aliases").items()}


def canonical_names(section: str) -> dict[str, str]:
    """One-word names of the hub -> repositories; `section` is `models` or `datasets`."""
    return _section(section)


def expand_alias(model: str, data: str | None) -> tuple[str, str]:
    """Names of a model and its data, where an alias may stand for the model and the data may be left out.

    Args:
        model: A folder, an alias, or a repository `org/name`.
        data: A folder or a name; None = the alias's own.

    Returns:
        The names that `model_folder` and `data_folder` take.

    Raises:
        InputError: The data was left out, and the model is no alias.
    """
    alias = _alias(model)
    if alias is not None:
        return (expand_model(model), alias.data) if data is None else (alias.base, data)
    if data is None:
        raise InputError(
            f"--data: expected a folder or the name of a data set for the model {model!r}, got none; only an alias "
            f"knows its data.{nearest_in_a_sentence(model, load_aliases())} Aliases: {', '.join(load_aliases())}"
        )
    return model, data


def expand_model(model: str) -> str:
    """The repository behind an alias that stands alone; any other name as it is."""
    alias = _alias(model)
    return model if alias is None else alias.teacher or alias.base


def _alias(model: str) -> Alias | None:
    return None if Path(model).is_dir() else load_aliases().get(model)


def nearest_in_a_sentence(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, to stand behind a sentence; empty where none is near."""
    near = nearest(name, known)
    return "" if near is None else f" Did you mean {near!r}?"


@cache
def _section(name: str) -> dict[str, Any]:
    document: Any = read_strict_yaml(ALIASES_FILE)
    section: dict[str, Any] = document[name]
    return section
