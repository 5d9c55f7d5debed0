"""The training loop against a plain loop of torch, and against itself when it is interrupted."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_jobs import ROWS, Regression, data

from compressor.errors import BorderError, CompressorError
from compressor.records.training import TrainPlan
from compressor.train import DataOrder, Setup, Step, Trainer, learning_rate, train

PLAN = TrainPlan(
    steps=23, batch=8, learning_rate=0.05, ranks=1, seed=0, warm_up_share=0.2, weight_decay=0.1, checkpoint_steps=3
)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_the_rate_rises_to_the_peak_and_falls_to_zero(steps: int) -> None:
    plan = replace(PLAN, steps=steps, warm_up_share=0.1)
    rates = np.array([learning_rate(plan, step) for step in range(steps)])
    warm_up = max(1, round(0.1 * steps))
    assert rates.max() == rates[warm_up - 1] == plan.learning_rate
    assert (rates > 0).all()
    assert (np.diff(rates[:warm_up]) > 0).all()
    # Both slopes are straight lines: from 0 in front of the first step, to 0 behind the last.
    np.testing.assert_allclose(np.diff(rates[:warm_up]), plan.learning_rate / warm_up)
    np.testing.assert_allclose(np.diff(rates[warm_up:]), -plan.learning_rate / max(1, steps - warm_up))
    assert learning_rate(plan, steps) == 0 or steps == 1


@pytest.mark.parametrize("scale", [1.0, 1e-3], ids=["clipped", "not clipped"])
def test_every_step_is_that_of_a_plain_loop(scale: float) -> None:
    job = Regression(batch=8, scale=scale)
    trainer = Trainer(job, PLAN)
    model = job.setup().model
    matrices = [p for p in model.parameters() if p.requires_grad and p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.requires_grad and p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1.0, fused=False, foreach=False)
    order, (x, y) = DataOrder(np.arange(ROWS), 8, 0), data()
    clipped = []
    for step in range(PLAN.steps):
        rows = order.rows(step)
        optimiser.zero_grad()
        (scale * (model(x[rows]) - y[rows]).square().sum() / 8).backward()
        clipped.append(float(torch.nn.utils.clip_grad_norm_([*matrices, *vectors], PLAN.clip)) > PLAN.clip)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(PLAN, step)
        optimiser.step()
        trainer.run(until=step + 1)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(trainer.model.state_dict()[name], value, rtol=0, atol=1e-6)
    assert any(clipped) == (scale == 1.0)


def test_it_learns_and_reports_the_loss() -> None:
    reports: list[tuple[int, float]] = []
    trainer = Trainer(Regression(batch=ROWS), replace(PLAN, batch=ROWS, steps=1))
    trainer.run(report=lambda step, loss: reports.append((step, loss)))
    x, y = data()
    with torch.no_grad():
        before = float((Regression(batch=ROWS).setup().model(x) - y).square().sum() / ROWS)
    assert reports == [(1, pytest.approx(before, rel=1e-5))]
    longer = Trainer(Regression(batch=ROWS), replace(PLAN, batch=ROWS, steps=60))
    longer.run(report=lambda step, loss: reports.append((step, loss)))
    assert reports[-1][0] == 60
    assert reports[-1][1] < 0.8 * before  # smoothed over the steps, so it lags behind


@pytest.mark.parametrize("stop", [1, 3, 7, 12, 22])
def test_an_interrupted_training_ends_with_the_same_bits(stop: int, tmp_path: Path) -> None:
    job, checkpoint = Regression(batch=8), tmp_path / "checkpoint"
    whole = Trainer(job, PLAN)
    whole.run()
    first = Trainer(job, PLAN)
    first.run(checkpoint, until=stop)
    assert checkpoint.exists() == (stop >= PLAN.checkpoint_steps)
    resumed: list[int] = []
    second = Trainer(job, PLAN)
    second.run(checkpoint, until=0)  # only restores
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(second).values(), strict=True)) == (
        stop % PLAN.checkpoint_steps == 0
    )
    third = Trainer(job, PLAN)
    third.run(checkpoint, report=lambda step, loss: resumed.append(step))
    assert resumed[-1] == PLAN.steps
    for name, value in weights(whole).items():
        assert torch.equal(weights(third)[name], value), name


def test_a_checkpoint_of_the_last_step_is_not_trained_again(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=6)
    first, second = Trainer(Regression(batch=8), plan), Trainer(Regression(batch=8, bad_row=0), plan)
    first.run(tmp_path / "checkpoint")
    second.run(tmp_path / "checkpoint")
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(second).values(), strict=True))


@dataclass(frozen=True)
class Changing:
    """A regression whose loss changes on the way, and of whose model only the last layer is kept."""

    asked: list[float]

    def setup(self) -> Setup:
        """See `Job`."""
        setup = Regression(batch=8).setup()

        def later(progress: float) -> Step:
            self.asked.append(progress)
            return lambda model, rows: (1 if progress < 0.5 else 3) * setup.step(model, rows)

        return replace(setup, later=later, result=setup.model.last)


def test_the_loss_is_that_of_the_share_that_is_done() -> None:
    asked: list[float] = []
    plan = replace(PLAN, steps=4, parts=2)
    Trainer(Changing(asked), plan).run()
    assert asked == [0.0, 0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    third: list[float] = []
    for job in (Changing([]), Regression(batch=8)):
        trainer = Trainer(job, plan)
        trainer.run(until=2)
        trainer.run(until=3, report=lambda step, loss: third.append(loss))
    assert third[0] == pytest.approx(3 * third[1], rel=1e-5)


def test_only_the_part_that_is_wanted_is_written(tmp_path: Path) -> None:
    train(Changing([]), PLAN, tmp_path / "kept")
    trainer = Trainer(Changing([]), PLAN)
    trainer.run()
    kept = load_file(tmp_path / "kept")
    assert set(kept) == {"weight", "bias"}
    assert trainer.result is trainer.model.last
    assert torch.equal(kept["weight"], trainer.model.last.weight)


def test_train_writes_the_state_and_leaves_nothing_else(tmp_path: Path) -> None:
    train(Regression(batch=8), PLAN, tmp_path / "result", checkpoint=tmp_path / "checkpoint")
    expected = Trainer(Regression(batch=8), PLAN)
    expected.run()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    found = load_file(tmp_path / "result")
    assert found.keys() == expected.model.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in weights(expected).items())


FAULTS = pytest.mark.parametrize("fault", [float("nan"), float("inf")], ids=["not a number", "infinite"])


@FAULTS
def test_a_gradient_that_is_never_finite_names_its_step(fault: float) -> None:
    bad_row = int(DataOrder(np.arange(ROWS), 8, 0).rows(3)[0])
    notes: list[str] = []
    trainer = Trainer(Regression(batch=8, bad_row=bad_row, fault=fault), PLAN, note=notes.append)
    before = weights(trainer)
    with pytest.raises(CompressorError, match=r"diverged: the gradient of step 3 is not finite at .* lowered 3 times"):
        trainer.run()
    assert all(torch.equal(before[name], value) for name, value in weights(trainer).items())
    assert len(notes) == 3


@FAULTS
def test_a_gradient_that_was_not_finite_is_a_step_back_and_half_the_rate(
    fault: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("compressor.train.loop.SNAPSHOT_STEPS", 5)
    notes: list[str] = []
    trainer = Trainer(Regression(batch=8), PLAN, note=notes.append)
    trainer.run(tmp_path / "checkpoint", until=5)
    fifth = Trainer(Regression(batch=8), PLAN)
    fifth.run(until=5)
    trainer.run(until=7)
    with torch.no_grad():
        trainer.model.last.weight[0, 0] = fault  # as a step that was too long leaves it
    trainer.run(until=8)
    assert notes == [
        "the gradient of step 7 is not finite at learning rate 0.044: back to step 5, and on at half the rate"
    ]
    halved = replace(PLAN, learning_rate=PLAN.learning_rate / 2)
    expected = Trainer(Regression(batch=8), halved)
    expected.run(tmp_path / "checkpoint", until=5)  # of step 3: the rate of the two steps behind it does not matter
    expected._set(fifth._copy())
    expected.run(until=8)
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(trainer)[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_the_parts_of_a_batch_add_up_to_it(parts: int) -> None:
    whole, split = Trainer(Regression(batch=8), PLAN), Trainer(Regression(batch=8), replace(PLAN, parts=parts))
    for trainer in (whole, split):
        trainer.run()
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(split)[name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"steps": 0}, {"ranks": 0}, {"ranks": 3}, {"batch": 2, "ranks": 4}, {"parts": 3}, {"ranks": 2, "parts": 1}],
    ids=lambda c: str(c),
)
def test_a_plan_that_cannot_be_run_is_refused(changes: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(BorderError, match=r"expected steps >= 1, .* a batch that is a multiple of the parts"):
        train(Regression(batch=8), replace(PLAN, **changes), tmp_path / "result")
