"""The house rule: imports point to the left, no cycles, no package outside the order."""

from pathlib import Path

import pytest
from house import import_cycles, layer_violations, modules, unknown_packages

CHECKOUT = Path(__file__).resolve().parents[1]


def tree(tmp_path: Path, **files: str) -> Path:
    """A checkout with these modules; "records__serial" is compressor/records/serial.py."""
    for name, text in {"__init__": "", **files}.items():
        dotted = name if name.startswith("__") else name.replace("__", "/", 1)
        file = tmp_path / "compressor" / f"{dotted}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_the_house_is_in_order() -> None:
    assert modules(CHECKOUT)
    assert layer_violations(CHECKOUT) == []


def test_no_import_cycles() -> None:
    assert import_cycles(CHECKOUT) == []


def test_no_package_outside_the_order() -> None:
    assert unknown_packages(CHECKOUT) == []


@pytest.mark.parametrize(
    "line",
    [
        "import compressor.cli",
        "from compressor import cli",
        "from compressor.cli import main",
        "from ..cli import main",
        "def late():\n    from compressor.cli import main",
        "if TYPE_CHECKING:\n    import compressor.cli as c",
    ],
)
def test_an_import_to_the_right_is_found(tmp_path: Path, line: str) -> None:
    checkout = tree(tmp_path, records__serial=line, cli="")
    assert layer_violations(checkout) == ["compressor.records.serial imports compressor.cli: cli is right of records"]


def test_imports_to_the_left_within_and_from_outside_are_fine(tmp_path: Path) -> None:
    text = "import numpy\nfrom compressor import __version__\nfrom compressor.errors import A\nfrom . import b"
    checkout = tree(tmp_path, errors="", space__a=text, space__b="", __init__="from compressor.space import a")
    assert layer_violations(checkout) == []
    assert import_cycles(checkout) == []


def test_a_cycle_is_found_once(tmp_path: Path) -> None:
    lines = {name: f"from compressor.space import {other}" for name, other in zip("abc", "bca", strict=True)}
    checkout = tree(
        tmp_path, space__d="from compressor.space import a", **{f"space__{k}": v for k, v in lines.items()}
    )
    assert import_cycles(checkout) == [["compressor.space.a", "compressor.space.b", "compressor.space.c"]]


def test_an_unknown_package_is_found(tmp_path: Path) -> None:
    assert unknown_packages(tree(tmp_path, utils__misc="", helpers="", errors="")) == ["helpers", "utils"]
