"""YAML without its surprises: a key given twice is an error, and 1e12 is a number.

Plain YAML 1.1 keeps the last of two equal keys and reads 1e12 (no dot, no sign) as text.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from compressor.errors import InputError


class _StrictLoader(yaml.SafeLoader):
    """The safe loader (no Python objects) with both repairs."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_strict_yaml(path: Path) -> object:
    """The plain values of one YAML file.

    Raises:
        InputError: The file cannot be read, is not YAML, or gives a key twice; the message has the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check its name") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
