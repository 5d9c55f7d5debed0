"""Real processes: two ranks do what one does, and a failing one takes the other with it."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from tiny_jobs import ROWS, Regression

from compressor.errors import CompressorError, ResourceError
from compressor.records.training import TrainPlan
from compressor.train import DataOrder, train

PLAN = TrainPlan(steps=7, batch=8, learning_rate=0.05, ranks=2, seed=0, checkpoint_steps=3)


def ranks_alive() -> list[psutil.Process]:
    """Spawned children of this process, given the time to be reaped."""
    children = psutil.Process().children(recursive=True)
    ranks = [child for child in children if any("spawn_main" in word for word in child.cmdline())]
    return psutil.wait_procs(ranks, timeout=20)[1]


@pytest.mark.parametrize("scale", [1.0, 1e-7], ids=["clipped", "as small as Adam's epsilon"])
@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.heavy)])
def test_many_ranks_end_with_the_weights_of_one(ranks: int, scale: float, tmp_path: Path) -> None:
    job = Regression(batch=8, scale=scale)  # Adam hides a factor on the gradient unless it is as small as its epsilon
    reports: list[int] = []
    plan = replace(PLAN, ranks=ranks, parts=4)
    train(
        job,
        plan,
        tmp_path / "many",
        checkpoint=tmp_path / "checkpoint",
        progress=lambda step, loss: reports.append(step),
    )
    train(job, replace(plan, ranks=1), tmp_path / "one")
    one, many = load_file(tmp_path / "one"), load_file(tmp_path / "many")
    for name, value in one.items():
        # The norm is summed share by share: its last bit may differ.
        torch.testing.assert_close(many[name], value, rtol=0, atol=1e-6)
    assert reports[-1] == PLAN.steps
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "one"]
    assert ranks_alive() == []


def test_a_slow_rank_computes_fewer_parts_of_the_same_sum(tmp_path: Path) -> None:
    plan = replace(PLAN, parts=4)
    journal = tmp_path / "journal"
    train(Regression(batch=8), plan, tmp_path / "even")
    train(Regression(batch=8, journal=journal), plan, tmp_path / "uneven")
    even, uneven = load_file(tmp_path / "even"), load_file(tmp_path / "uneven")
    assert all(torch.equal(uneven[name], value) for name, value in even.items())
    parts = Counter(journal.read_text().split())
    slow = journal.read_text().split()[0]
    assert sum(parts.values()) == 4 * PLAN.steps
    assert parts[slow] < 1.5 * PLAN.steps  # of two ranks, each would take two of a step's four


@pytest.mark.parametrize(
    ("fault", "message"),
    [("raise", "this rank has had enough"), (float("nan"), "diverged: the gradient of step 4 is not finite")],
    ids=["an exception", "a gradient"],
)
def test_a_failing_rank_ends_the_training_and_leaves_no_process(
    fault: str | float, message: str, tmp_path: Path
) -> None:
    bad_row = int(DataOrder(np.arange(ROWS), 8, 0).rows(4, rank=1, ranks=2)[0])
    job = Regression(batch=8, bad_row=bad_row, fault=fault)
    with pytest.raises(CompressorError, match=f"(?s)a training process failed: .*{message}"):
        train(job, PLAN, tmp_path / "result", checkpoint=tmp_path / "checkpoint")
    assert ranks_alive() == []
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]  # where the next try continues


def test_a_step_back_of_several_ranks_is_told_once(tmp_path: Path) -> None:
    bad_row = int(DataOrder(np.arange(ROWS), 8, 0).rows(4)[0])
    notes: list[str] = []
    with pytest.raises(CompressorError, match="lowered 3 times"):
        train(Regression(batch=8, bad_row=bad_row, fault=float("nan")), PLAN, tmp_path / "result", note=notes.append)
    assert len(notes) == 3
    assert all("the gradient of step 4 is not finite" in note and "half the rate" in note for note in notes)


def test_a_rank_that_the_system_kills_is_a_lack_of_memory(tmp_path: Path) -> None:
    bad_row = int(DataOrder(np.arange(ROWS), 8, 0).rows(4, rank=1, ranks=2)[0])
    job = Regression(batch=8, bad_row=bad_row, fault="kill")
    with pytest.raises(
        ResourceError, match=r"a training process was killed \(process . terminated with signal SIGKILL"
    ):
        train(job, PLAN, tmp_path / "result", checkpoint=tmp_path / "checkpoint")
    assert ranks_alive() == []
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


SCRIPT = """
import sys
from pathlib import Path

sys.path[:0] = [{checkout!r}, {tests!r}]
print("begun", flush=True)

from tiny_jobs import Regression

from compressor.records.training import TrainPlan
from compressor.train import train

train(Regression(batch=8), TrainPlan(steps=2, batch=8, learning_rate=0.05, ranks=2, seed=0), Path("result"))
"""


def test_a_script_without_a_guard_is_run_once_and_not_by_its_ranks(checkout: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(checkout=str(checkout), tests=str(checkout / "tests")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["begun"]
    assert load_file(tmp_path / "result")
