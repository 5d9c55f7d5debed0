"""What a program calls: the examples of the documentation, on the tiny teacher and the fake device."""

import doctest
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

import compressor
from compressor.encoder import Encoder
from compressor.errors import InputError
from compressor.records.request import CompressRequest
from compressor.records.suggestion import did_you_mean
from compressor.runtimes import opening
from compressor.tasks import Metric, Targets, get_metric
from compressor.verification import Predictor


@pytest.fixture
def desk(tiny_teacher: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """The folder that the examples are run in: `teacher` and `data` are there, and this machine is the fake device."""
    (tmp_path / "teacher").symlink_to(tiny_teacher)
    (tmp_path / "data").symlink_to(tiny_data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(opening.DEVICES, "onnxruntime", opening.DEVICES["fake"])
    return tmp_path


def failures(documented: Callable[..., object], **names: object) -> list[str]:
    """What an example should have printed and did not; a docstring without an example is a failure too.

    Args:
        documented: A function or a class.
        names: What its example uses besides the package.
    """
    finder, names = doctest.DocTestFinder(recurse=False), {"compressor": compressor, **names}
    said: list[str] = []
    found = finder.find(documented, "example", globs=names)
    for example in found:
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    return said if found else ["no example"]


def test_the_examples_do_what_they_say(desk: Path) -> None:
    for documented in (compressor.compress, compressor.verify, compressor.load, Predictor):
        assert failures(documented) == []
    assert (desk / "bundle" / "report.html").is_file()


EXAMPLES: dict[Callable[..., object], dict[str, object]] = {
    did_you_mean: {"did_you_mean": did_you_mean},
    Metric: {"get_metric": get_metric, "Targets": Targets, "np": np},
    Encoder: {
        "Encoder": Encoder,
        "architecture": tiny.SHAPE,
        "ids": torch.zeros(4, 8, dtype=torch.int64),
        "mask": torch.ones(4, 8, dtype=torch.int64),
    },
}


@pytest.mark.parametrize(("documented", "names"), EXAMPLES.items(), ids=lambda value: getattr(value, "__name__", None))
def test_the_examples_of_parts_do_what_they_say(documented: Callable[..., object], names: dict[str, object]) -> None:
    assert failures(documented, **names) == []


def test_an_example_that_lies_is_found(desk: Path) -> None:
    def lying() -> None:
        """Say so.

        >>> 1 + 1
        3
        """

    assert any("Expected:\n    3\nGot:\n    2" in line for line in failures(lying))
    assert failures(test_the_examples_do_what_they_say) == ["no example"]


def test_names_are_looked_up_as_on_the_command_line(desk: Path) -> None:
    with pytest.raises(InputError, match="'bert-bse' is no folder here, no alias and no model of the hub"):
        compressor.compress(CompressRequest("bert-bse", "data"))


def test_a_full_folder_is_not_replaced_unasked(desk: Path) -> None:
    (desk / "bundle").mkdir()
    (desk / "bundle" / "thesis.txt").touch()
    with pytest.raises(InputError, match="is there and not empty"):
        compressor.compress(CompressRequest("teacher", "data"))


def test_an_alias_stands_for_what_it_does_on_the_command_line(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def folders(model: str, data: str, **more: object) -> tuple[Path, Path]:
        asked.append((model, data))
        raise InputError("enough is known")

    monkeypatch.setattr("compressor.api.folders", folders)
    with pytest.raises(InputError, match="enough is known"):
        compressor.compress(CompressRequest("bert-base", "data"))
    assert asked == [("google-bert/bert-base-uncased", "data")]
