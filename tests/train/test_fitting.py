"""Fitting an encoder to stored targets: what is frozen, what a step computes, and that it learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import rel_entr, softmax
from tiny_models import random_encoder, tiny

from compressor.distill import logit_loss, output_loss
from compressor.encoder import INPUTS
from compressor.errors import BorderError
from compressor.records.training import TrainPlan
from compressor.tasks import Tokens
from compressor.teachers.losses import label_loss, value_loss
from compressor.train import FittingJob, Loss, Setup, Trainer, train

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


def as_kind(job: FittingJob, folder: Path, targets: np.ndarray, loss: Loss, **changes: Any) -> FittingJob:
    """The same job for a model with another head."""
    shape = replace(SHAPE, **changes)
    np.save(folder / "targets.npy", targets)
    save_file(random_encoder(shape).state_dict(), folder / "other")
    return replace(job, architecture=shape, weights=folder / "other", targets=folder / "targets.npy", loss=loss)


def outputs_of(setup: Setup, tokens: Tokens, row: int) -> torch.Tensor:
    """Of one row alone, without padding."""
    batch = tokens.padded([row], 0)
    with torch.no_grad():
        outputs: torch.Tensor = setup.model(*(torch.from_numpy(batch[name]) for name in INPUTS))[0]
    return outputs.double()


def test_a_step_of_a_per_token_model_sums_its_tokens_over_the_mean_length(job: FittingJob, tmp_path: Path) -> None:
    labels = np.random.default_rng(2).integers(0, 3, size=LENGTHS.sum())
    labels[::4] = -100
    job = as_kind(job, tmp_path, labels, label_loss, per_token=True)
    setup, tokens, rows = job.setup(), Tokens.load(job.tokens), np.array([3, 17, 8, 29])
    expected = 0.0
    for row in rows:
        log_p = outputs_of(setup, tokens, row).log_softmax(-1).numpy()
        own = labels[tokens.offsets[row] : tokens.offsets[row + 1]]
        expected -= sum(log_p[token, label] for token, label in enumerate(own) if label >= 0)
    found = setup.step(setup.model, rows).item()
    assert found == pytest.approx(expected / LENGTHS.mean(), rel=1e-5)
    # A sum over rows: however ranks share them, the gradient is the same.
    assert found == pytest.approx(sum(setup.step(setup.model, rows[i : i + 1]).item() for i in range(4)), rel=1e-5)


def test_a_per_token_student_learns_its_teachers_logits(job: FittingJob, tmp_path: Path) -> None:
    tokens = Tokens.load(job.tokens)
    logits = np.stack([tokens.ids % 3 == c for c in range(3)], axis=1).astype(np.float32) * 4
    job = as_kind(job, tmp_path, logits, logit_loss, per_token=True)
    trainer = Trainer(job, TrainPlan(steps=400, batch=10, learning_rate=1e-2, ranks=1, seed=0))
    before = job.setup()
    trainer.run()
    after = job.setup()
    after.model.load_state_dict(trainer.model.state_dict())
    shares = []
    for setup in (before, after):
        answers = np.concatenate([outputs_of(setup, tokens, row).argmax(-1).numpy() for row in range(len(tokens))])
        shares.append((answers == tokens.ids % 3).mean())
    assert shares[0] < 0.6
    assert shares[1] > 0.9


@pytest.mark.parametrize("loss", [value_loss, output_loss])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_regression_is_measured_in_the_spread_of_its_targets(
    job: FittingJob, tmp_path: Path, loss: Loss, scale: float
) -> None:
    values = 3 + scale * np.random.default_rng(4).normal(size=30)
    targets = values if loss is value_loss else values[:, None].astype(np.float32)
    job = as_kind(job, tmp_path, targets, loss, classes=1)
    setup, tokens, rows = job.setup(), Tokens.load(job.tokens), np.arange(30)
    found = np.array([outputs_of(setup, tokens, row).item() for row in rows])
    expected = np.square(found - values).sum() / values.var()
    assert setup.step(setup.model, rows).item() == pytest.approx(expected, rel=1e-4)
    with torch.no_grad():  # a model that only knows the mean loses 1 per row
        setup.model.head.classifier.weight.zero_()
        setup.model.head.classifier.bias.fill_(values.mean())
    assert setup.step(setup.model, rows).item() == pytest.approx(30, rel=1e-4)


def test_values_that_are_all_the_same_do_not_divide_by_zero(job: FittingJob, tmp_path: Path) -> None:
    job = as_kind(job, tmp_path, np.full(30, 2.5), value_loss, classes=1)
    setup = job.setup()
    assert 0 < setup.step(setup.model, np.arange(4)).item() < np.inf


@pytest.mark.parametrize(("per_token", "count"), [(False, int(LENGTHS.sum())), (True, 30)])
def test_targets_of_another_kind_stop_at_the_border(
    job: FittingJob, tmp_path: Path, per_token: bool, count: int
) -> None:
    job = as_kind(job, tmp_path, np.zeros(count, dtype=np.int64), label_loss, per_token=per_token)
    with pytest.raises(BorderError, match=rf"expected {LENGTHS.sum() if per_token else 30} targets .* found {count}"):
        job.setup()


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
    # Of one query, what every key has in common drops out of the softmax.
    assert same == FROZEN | {"layers.2.attention.key.bias"}


def test_the_seed_decides_the_weights(job: FittingJob) -> None:
    def end(seed: int) -> torch.Tensor:
        trainer = Trainer(
            replace(job, seed=seed), TrainPlan(steps=4, batch=10, learning_rate=1e-2, ranks=1, seed=seed)
        )
        trainer.run()
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])

    assert torch.equal(end(0), end(0))
    assert not torch.equal(end(0), end(1))
