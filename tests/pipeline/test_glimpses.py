"""What progress says of a student that is trained is what it would answer just now."""

import os
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from pipeline_runs import Ask
from safetensors.torch import save_file
from tiny import Watcher

from compressor.distill import logit_loss
from compressor.encoder import Encoder
from compressor.pipeline import glimpses
from compressor.pipeline.glimpses import Glimpses
from compressor.pipeline.workbench import Workbench
from compressor.records.training import TrainPlan
from compressor.tasks import get_metric, points
from compressor.train import FittingJob, Trainer


@pytest.fixture
def bench(ask: Ask, tmp_path: Path) -> Workbench:
    return Workbench(ask(1.0), cache=tmp_path / "cache", observer=Watcher())


@pytest.fixture
def job(bench: Workbench, tmp_path: Path) -> FittingJob:
    """A training that makes the teacher forget what it knows: its targets are the same for all rows."""
    encoder = bench.canonical.encoder
    save_file(encoder.state_dict(), tmp_path / "weights")
    bench.train.save(tmp_path / "tokens")
    np.save(tmp_path / "logits.npy", np.tile(np.array([3.0, -3.0], np.float32), (len(bench.train), 1)))
    paths = tmp_path / "weights", tmp_path / "tokens", tmp_path / "logits.npy"
    return FittingJob(encoder.architecture, *paths, logit_loss, batch=16, seed=0, pad_id=bench.pad_id)


def test_it_is_the_metric_of_the_last_checkpoint(
    bench: Workbench, job: FittingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glimpses, "ROWS", 40)
    checkpoint, rows = tmp_path / "checkpoint", np.arange(40)
    watched = Glimpses(bench, job, checkpoint)
    assert watched.words() == ""
    trainer = Trainer(job, TrainPlan(steps=12, batch=16, learning_rate=0.03, ranks=1, seed=0, checkpoint_steps=3))
    trainer.run(checkpoint)
    student = cast(Encoder, trainer.model)
    outputs = bench.fp32_outputs(student.emit(), bench.selection.tokens.select(rows))
    now = points(get_metric("accuracy")(outputs, bench.selection_targets.select(rows)))
    before = points(get_metric("accuracy")(bench.selection_teacher[:40], bench.selection_targets.select(rows)))
    assert now < before - 10
    assert watched.words() == f", accuracy {now:.1f} so far"


def test_it_looks_once_at_a_checkpoint_and_not_for_more_than_its_share_of_the_time(
    bench: Workbench, job: FittingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, now = tmp_path / "checkpoint", [0.0]
    looks: list[float] = []

    def look(self: Glimpses) -> float:
        looks.append(now[0])
        now[0] += 2.0
        return 50.0

    monkeypatch.setattr(Glimpses, "_points", look)
    watched = Glimpses(bench, job, checkpoint, clock=lambda: now[0])
    for second in range(0, 450, 10):
        now[0] = max(now[0], float(second))
        if second % 50 == 0:  # a new checkpoint
            checkpoint.touch()
            os.utime(checkpoint, ns=(10**9 * (second + 1), 10**9 * (second + 1)))
        watched.words()
    assert looks == [0.0, 200.0, 400.0]  # two seconds of every two hundred
