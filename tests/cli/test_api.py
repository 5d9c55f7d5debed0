"""What a program calls: the examples of the documentation, on the tiny teacher and the fake device."""

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest

import compressor
from compressor.errors import InputError
from compressor.records.request import CompressRequest
from compressor.runtimes import opening


@pytest.fixture
def desk(tiny_teacher: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """The folder that the examples are run in: `teacher` and `data` are there, and this machine is the fake device."""
    (tmp_path / "teacher").symlink_to(tiny_teacher)
    (tmp_path / "data").symlink_to(tiny_data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(opening.DEVICES, "onnxruntime", opening.DEVICES["fake"])
    return tmp_path


def failures(function: Callable[..., object]) -> list[str]:
    """What an example should have printed and did not; a function without an example is a failure too."""
    found = doctest.DocTestFinder(recurse=False).find(function, "example", globs={"compressor": compressor})
    said: list[str] = []
    for example in found:
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    return said if found else ["no example"]


def test_the_examples_do_what_they_say(desk: Path) -> None:
    for function in (compressor.compress, compressor.verify, compressor.load):
        assert failures(function) == []
    assert (desk / "bundle" / "report.html").is_file()


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
