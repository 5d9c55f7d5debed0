"""`TaskSpec`: what it refuses, and that it survives JSON."""

from dataclasses import replace
from typing import Any

import pytest

from compressor.errors import InputError
from compressor.records import serial
from compressor.records.task import TaskSpec

SPEC = TaskSpec("text-classification", ("sentence1", "sentence2"), "label", ("no", "yes"), "accuracy", "test")


def test_json_round_trip() -> None:
    assert serial.from_json(TaskSpec, serial.to_json(SPEC)) == SPEC
    assert hash(SPEC) == hash(replace(SPEC))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "translation"}, r"expected one of text-classification, .*, found 'translation'"),
        ({"text_columns": ()}, r"text columns: expected 1 or 2, found 0"),
        ({"text_columns": ("a", "b", "c")}, r"text columns: expected 1 or 2, found 3"),
        ({"text_columns": ("",)}, r"columns: expected names, found an empty one"),
        ({"label_column": "sentence2"}, r"different ones for texts and label, found sentence1, sentence2, sentence2"),
        ({"label_names": ("yes",)}, r"at least 2 classes, found 1"),
        ({"label_names": ("yes", "no", "Yes")}, r"different ones \(case is ignored\), found yes, Yes"),
        ({"metric": ""}, r"metric: expected a name, found an empty string"),
        ({"eval_split": ""}, r"eval_split: expected a name"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SPEC, **change)


def test_refuses_when_read_from_json() -> None:
    broken = serial.to_json(SPEC).replace('"yes"', '"NO"')
    with pytest.raises(InputError, match="case is ignored"):
        serial.from_json(TaskSpec, broken)
