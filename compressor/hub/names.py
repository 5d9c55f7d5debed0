"""What a name can be: a folder, which always wins, or a repository of the hub.

models      org/name, or one of the hub's old names of one word
data sets   the same, with /configuration behind it where the repository holds several: glue/sst2
"""

import re
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError
from compressor.hub.aliases import canonical_names, load_aliases, nearest_in_a_sentence

_WORD = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class DataName:
    """A data set of the hub.

    Attributes:
        repository: `org/name`.
        config: Which of its data sets; None = the only one, or its default.
    """

    repository: str
    config: str | None


def is_path(name: str) -> bool:
    """Whether a name can only be meant as a path: one that is there, or that starts like one."""
    path = Path(name)
    inside = "/" in name and path.parent.is_dir()
    return path.exists() or inside or name.startswith(("~", ".", "/"))


def model_repository(name: str) -> str:
    """Repository `org/name` of a model.

    Raises:
        InputError: No folder, no alias and no possible repository; the message has the nearest alias.
    """
    canonical = canonical_names("models")
    if (known := canonical.get(name)) is not None:
        return known
    if len(words := _words(name)) == 2:
        return "/".join(words)
    raise InputError(
        f"--teacher: {name!r} is no folder here, no alias and no model of the hub, which is written org/name."
        f"{nearest_in_a_sentence(name, (*load_aliases(), *canonical))} Aliases: {', '.join(load_aliases())}"
    )


def data_name(name: str) -> DataName:
    """Repository and configuration of a data set.

    Raises:
        InputError: No folder and no possible data set; the message has the nearest known name.
    """
    canonical, words = canonical_names("datasets"), _words(name)
    if words and words[0] in canonical and len(words) <= 2:
        return DataName(canonical[words[0]], words[1] if len(words) == 2 else None)
    if len(words) in (2, 3):
        return DataName("/".join(words[:2]), words[2] if len(words) == 3 else None)
    known = {*canonical, *(alias.data for alias in load_aliases().values())}
    raise InputError(
        f"--data: {name!r} is no folder here and no data set of the hub, which is written org/name or "
        f"org/name/configuration.{nearest_in_a_sentence(name, known)} Known short names: {', '.join(sorted(known))}"
    )


def _words(name: str) -> list[str]:
    """Parts between slashes; none where one of them cannot be part of a repository's name."""
    words = name.split("/")
    return words if all(_WORD.fullmatch(word) for word in words) else []
