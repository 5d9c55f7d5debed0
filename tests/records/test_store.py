"""The run folder after a kill: finished records, whole lines of the journal and nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.records.latency import Measured
from compressor.records.promise import Workload
from compressor.records.store import RunFolder

WORKLOAD = Workload(1, 8, 1)


def test_a_finished_stage_is_found_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a" / "run")
    assert not run.finished("prepare")
    run.save("prepare", WORKLOAD)
    again = RunFolder(tmp_path / "a" / "run")
    assert again.finished("prepare")
    assert again.load("prepare", Workload) == WORKLOAD


def test_a_record_that_was_half_written_is_not_finished(tmp_path: Path) -> None:
    (tmp_path / "prepare.json.partial").write_text("{", encoding="utf-8")
    run = RunFolder(tmp_path)
    assert not run.finished("prepare")
    with pytest.raises(InputError, match=r"cannot read .*prepare\.json"):
        run.load("prepare", Workload)


def test_fresh_forgets(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").save("prepare", WORKLOAD)
    again = RunFolder(tmp_path / "run")
    with again.held():
        assert again.finished("prepare")
    with again.held(fresh=True):
        assert not again.finished("prepare")


HOLDING = """
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from compressor.records.store import RunFolder
with RunFolder(Path(sys.argv[1])).held():
    print("held", flush=True)
    input()
"""


@pytest.fixture
def other(tmp_path: Path, checkout: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_another_process_works_on_is_left_alone(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    run = RunFolder(tmp_path)
    run.save("prepare", WORKLOAD)
    message = f"process {other.pid} is working on the same run"
    with pytest.raises(InputError, match=message), run.held(fresh=True):
        pytest.fail("entered a run that is held")
    assert run.finished("prepare")
    other.kill()
    other.wait()
    with run.held():  # the system has given the lock back
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_process_with_the_number_of_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    """Numbers are used again; only the lock counts."""
    (tmp_path / "lock").write_text(str(os.getppid()))
    with RunFolder(tmp_path).held():
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_the_lock_is_kept_while_the_rest_is_forgotten(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save("prepare", WORKLOAD)
    run.file("tokens").mkdir()
    with run.held(fresh=True):
        assert [file.name for file in tmp_path.iterdir()] == ["lock"]
        with pytest.raises(InputError, match=f"process {os.getpid()} is working"), RunFolder(tmp_path).held():
            pytest.fail("entered a run that is held")


@pytest.mark.parametrize("text", ["", "not a number"])
def test_a_damaged_lock_is_nobodys(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with RunFolder(tmp_path).held():
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_when_a_stage_was_finished(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save("prepare", WORKLOAD)
    os.utime(tmp_path / "prepare.json", (0, 86400))
    assert run.finished_at("prepare") == datetime(1970, 1, 2, tzinfo=UTC)


def test_a_choice_is_made_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.chosen("steps") is None
    assert run.choose("steps", lambda: 700) == 700
    assert run.choose("other", lambda: 0) == 0
    assert RunFolder(tmp_path).choose("steps", lambda: 800) == 700
    assert RunFolder(tmp_path).choose("other", lambda: 1) == 0
    assert RunFolder(tmp_path).chosen("steps") == 700


def test_a_choice_that_was_cut_off_is_made_again_and_spoils_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.choose("steps", lambda: 700)
    path = tmp_path / "choices.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"name": "final', encoding="utf-8")
    again = RunFolder(tmp_path)
    assert again.choose("finalist", lambda: "b") == "b"
    assert again.choose("finalist", lambda: "c") == "b"
    assert again.choose("steps", lambda: 0) == 700


def test_measurements_are_appended(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for index in range(3):
        run.measured("table", f"op {index}", Measured(index + 0.5, 0.1, 10))
    lines = [json.loads(line) for line in (tmp_path / "measurements.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["name"] for line in lines] == ["op 0", "op 1", "op 2"]
    assert lines[2] == {"stage": "table", "name": "op 2", "value_us": 2.5, "standard_error_us": 0.1, "samples": 10}
