"""Label cells to class ids."""

import pytest

from compressor.errors import InputError
from compressor.tasks.labels import class_ids, find_label_names


def _places(cells: list[str]) -> list[str]:
    return [f"dev.tsv, line {line}" for line in range(2, 2 + len(cells))]


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["1", "0", "1"], ("0", "1")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["01", "1", " 0"], ("0", "1")),
        (["b", "A", "B", "a"], ("A", "b")),
        (["10", "9", "x"], ("10", "9", "x")),
    ],
)
def test_names_that_are_found(cells: list[str], names: tuple[str, ...]) -> None:
    assert find_label_names(cells, _places(cells)) == names


@pytest.mark.parametrize(
    ("names", "cells", "ids"),
    [
        (("negative", "positive"), ["Positive", "NEGATIVE", "1", "0"], [1, 0, 1, 0]),
        (("LABEL_0", "LABEL_1"), ["1", "label_0"], [1, 0]),
        (("0", "1"), ["1", "00"], [1, 0]),
        (("1", "2", "3"), ["3", "1"], [2, 0]),
        (("1", "0"), ["1", "0"], [0, 1]),
        (("0.5", "2.0"), ["2.0", "0.5"], [1, 0]),
    ],
)
def test_ids(names: tuple[str, ...], cells: list[str], ids: list[int]) -> None:
    found = class_ids(cells, names, _places(cells))
    assert found.tolist() == ids
    assert found.dtype == "int64"


@pytest.mark.parametrize(
    ("names", "cell", "message"),
    [
        (
            ("no", "yes"),
            "maybe",
            r"dev.tsv, line 3: label 'maybe' is unknown; known are no, yes, or the class ids 0 to 1",
        ),
        (("no", "yes"), "2", r"line 3: label '2' is unknown"),
        (("no", "yes"), "-1", r"line 3: label '-1' is unknown"),
        (
            ("1", "2"),
            "0",
            r"line 3: label '0' is unknown; known are 1, 2\. The names come from the teacher's id2label",
        ),
        (
            ("no", "yes"),
            "1.0",
            r"line 3: expected class labels: integers \(1, not 1.0\) .* found the float label '1.0'; .* regression",
        ),
        (("no", "yes"), " ", r"line 3: expected a label, found an empty field"),
        ([f"n{i}" for i in range(30)], "x", r"n19, \.\.\., or the class ids 0 to 29"),
    ],
)
def test_refuses(names: tuple[str, ...], cell: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_ids([names[0], cell], names, _places([names[0], cell]))


@pytest.mark.parametrize("cell", ["3.800", "-.5", "1e-3", "2."])
def test_float_labels_are_refused_while_names_are_sought(cell: str) -> None:
    with pytest.raises(InputError, match=r"dev.tsv, line 3: expected class labels: integers .*found the float label"):
        find_label_names(["1", cell], _places(["1", cell]))


def test_empty_labels_are_refused_while_names_are_sought() -> None:
    with pytest.raises(InputError, match=r"line 2: expected a label, found an empty field"):
        find_label_names(["", "1"], _places(["", "1"]))
