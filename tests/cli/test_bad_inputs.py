"""Every fault of `bad_inputs.py` ends with exit code 2 and a message that says what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import CASES, BadInput, arguments, remove

from compressor.tasks.evaluation import HELD_OUT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_cannot_be_used_ends_with_2_and_is_left_alone(
    cli: Any, tiny_teacher: Path, tiny_data: Path, fake_target: Path, tmp_path: Path, case: BadInput
) -> None:
    command = arguments(case, tiny_teacher, tiny_data, str(fake_target), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ended = cli(*command)
    assert ended.code == 2, ended.err
    assert re.search(case.message, ended.err), ended.err
    assert "Traceback" not in ended.err
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "bundle" / "manifest.json").exists()


def test_the_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_without_an_evaluation_split_one_is_made_from_train_and_said_so(
    cli: Any, tiny_teacher: Path, tiny_data: Path, fake_target: Path, tmp_path: Path
) -> None:
    case = BadInput("no evaluation split", "", damage=remove("data/dev.tsv", "data/test.tsv"))
    command = arguments(case, tiny_teacher, tiny_data, str(fake_target), tmp_path)
    stop = command.index("--stop-after")
    ended = cli(*command[:stop], *command[stop + 2 :])
    assert ended.code == 0
    assert "Accuracy is measured on 60 rows carved from train.tsv; 540 rows are left to train on." in ended.out
    assert f"untruncated rows of `{HELD_OUT}`" in ended.out
