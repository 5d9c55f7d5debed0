"""Fitting an encoder to stored targets: what is frozen, what a step computes, and that it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import rel_entr, softmax
from tiny_models import random_encoder, tiny

from compressor.distill import logit_loss
from compressor.encoder import INPUTS
from compressor.records.training import TrainPlan
from compressor.tasks import Tokens
from compressor.train import FittingJob, Trainer, train

SHAPE = tiny((2, 32), (0, 16), (1, 0))
LENGTHS = np.random.default_rng(0).integers(2, 11, size=30)
FROZEN = {"embeddings.word.weight", "embeddings.position.weight", "embeddings.token_type.weight"}


@pytest.fixture
def job(tmp_path: Path) -> FittingJob:
    random = np.random.default_rng(1)
    total = int(LENGTHS.sum())
    ids = random.integers(1, SHAPE.vocabulary, size=total).astype(np.int32)
    tokens = Tokens(ids, np.zeros(total, dtype=np.uint8), np.concatenate([[0], np.cumsum(LENGTHS)]))
    tokens.save(tmp_path / "tokens")
    np.save(tmp_path / "logits.npy", random.normal(size=(30, 3)).astype(np.float32))
    save_file(random_encoder(SHAPE).state_dict(), tmp_path / "weights")
    return FittingJob(
        SHAPE,
        tmp_path / "weights",
        tmp_path / "tokens",
        tmp_path / "logits.npy",
        logit_loss,
        batch=10,
        seed=0,
        pad_id=0,
    )


def test_exactly_the_embedding_tables_are_frozen(job: FittingJob) -> None:
    setup = job.setup()
    assert {name for name, p in setup.model.named_parameters() if not p.requires_grad} == FROZEN
    weights = load_file(job.weights)
    assert all(torch.equal(value, weights[name]) for name, value in setup.model.state_dict().items())


def test_a_step_is_the_summed_loss_of_its_unpadded_rows(job: FittingJob) -> None:
    setup = job.setup()
    rows = np.array([3, 17, 8, 29])
    tokens, teacher = Tokens.load(job.tokens), np.load(job.targets).astype(np.float64)
    expected = 0.0
    for row in rows:
        batch = tokens.padded([row], 0)
        with torch.no_grad():
            student = setup.model(*(torch.from_numpy(batch[name]) for name in INPUTS)).double().numpy()[0]
        expected += 4 * rel_entr(softmax(teacher[row] / 2), softmax(student / 2)).sum()
    assert setup.step(setup.model, rows).item() == pytest.approx(expected, rel=1e-5)


def test_training_brings_the_student_to_the_teacher_and_leaves_the_tables(job: FittingJob, tmp_path: Path) -> None:
    losses: list[float] = []
    plan = TrainPlan(steps=150, batch=10, learning_rate=3e-3, ranks=1, seed=0)
    every = np.arange(30)
    setup = job.setup()
    before = setup.step(setup.model, every).item()
    train(job, plan, tmp_path / "trained", progress=lambda step, loss: losses.append(loss))
    trained, inherited = load_file(tmp_path / "trained"), load_file(job.weights)
    setup.model.load_state_dict(trained)
    assert setup.step(setup.model, every).item() < 0.3 * before
    same = {name for name, value in trained.items() if torch.equal(value, inherited[name])}
    assert same == FROZEN


def test_the_seed_decides_the_weights(job: FittingJob) -> None:
    def end(seed: int) -> torch.Tensor:
        trainer = Trainer(
            replace(job, seed=seed), TrainPlan(steps=4, batch=10, learning_rate=1e-2, ranks=1, seed=seed)
        )
        trainer.run()
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])

    assert torch.equal(end(0), end(0))
    assert not torch.equal(end(0), end(1))
