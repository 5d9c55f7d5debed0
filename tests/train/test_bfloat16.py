"""Products in bfloat16 against their definition, and trainings with them against trainings without."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import masked_batch, random_encoder, tiny
from torch import nn

from compressor.distill import logit_loss
from compressor.encoder import Encoder
from compressor.records.cells import Cells, Edge
from compressor.records.training import TrainPlan
from compressor.space.cells import cell_space
from compressor.tasks import Tokens
from compressor.train import FittingJob, Trainer, faster_in_bfloat16, train
from compressor.train.arithmetic import STEPS
from compressor.train.bfloat16 import RoundedLinear, round_products

WIDE = tiny((8, 96), (2, 64), hidden=64, head_size=8, per_token=True)
PLAN = TrainPlan(steps=60, batch=8, learning_rate=3e-3, ranks=1, seed=0, checkpoint_steps=7)


@pytest.fixture
def job(tmp_path: Path) -> FittingJob:
    """A student with wide and narrow products, and tokens that tell their class."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 12, size=24)
    ids = random.integers(0, WIDE.vocabulary, size=lengths.sum()).astype(np.int32)
    Tokens(ids, np.zeros(len(ids), np.uint8), np.concatenate([[0], np.cumsum(lengths)])).save(tmp_path / "tokens")
    np.save(tmp_path / "logits.npy", 3 * (ids[:, None] % 3 == np.arange(3)).astype(np.float32))
    save_file(random_encoder(WIDE).state_dict(), tmp_path / "weights")
    paths = tmp_path / "weights", tmp_path / "tokens", tmp_path / "logits.npy"
    return FittingJob(WIDE, *paths, logit_loss, batch=8, seed=0, pad_id=0)


def test_a_product_and_its_gradients_are_those_of_the_rounded_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(80, 70)
    x = torch.randn(4, 5, 80, generator=generator).requires_grad_()
    upstream = torch.randn(4, 5, 70, generator=generator)
    found = RoundedLinear(linear)(x)
    found.backward(upstream)
    xs, weight, g = (t.detach().bfloat16().double() for t in (x, linear.weight, upstream))
    expected = {
        "product": (found - linear.bias, xs @ weight.T),
        "of x": (x.grad, g @ weight),
        "of weight": (linear.weight.grad, g.flatten(0, 1).T @ xs.flatten(0, 1)),
    }
    for name, (ours, exact) in expected.items():
        # The sum is rounded to bfloat16 once more: 8 bits, so at most one part in 256.
        torch.testing.assert_close(ours.detach().double(), exact, rtol=2**-8, atol=1e-5, msg=name)
        assert ours.dtype == torch.float32
    torch.testing.assert_close(linear.bias.grad, upstream.sum((0, 1)))
    assert not torch.equal(found, linear(x))


def test_wide_products_are_replaced_and_keep_parameters_and_names() -> None:
    model = random_encoder(WIDE)
    before, pointers = model.state_dict(), {name: p.data_ptr() for name, p in model.named_parameters()}
    assert round_products(model.layers) == 6 + 2  # the second layer's two heads are 16 columns
    assert isinstance(model.layers[0].attention.query, RoundedLinear)
    assert isinstance(model.layers[1].attention.query, nn.Linear)
    assert isinstance(model.head.classifier, nn.Linear)
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == pointers
    assert list(model.state_dict()) == list(before)


@pytest.mark.parametrize("aggregation", ["dynamic-routing", "attention-pooling"])
def test_cells_have_products_without_a_bias(aggregation: str) -> None:
    shape = replace(cell_space(WIDE, 64), per_token=False, cells=Cells(((Edge(0, "sepconv-3"),),), 1, aggregation))
    plain, rounded = random_encoder(shape), random_encoder(shape)
    assert round_products(rounded.inner) == 2  # of the block and of the aggregation
    assert list(rounded.state_dict()) == list(plain.state_dict())
    batch = masked_batch(shape)
    for model in (plain, rounded):
        model(*(torch.from_numpy(batch[name]) for name in model.inputs)).square().sum().backward()
    exact = dict(plain.cells.aggregation.named_parameters())
    for name, parameter in rounded.cells.aggregation.named_parameters():
        expected = exact[name].grad
        torch.testing.assert_close(parameter.grad, expected, rtol=0, atol=0.1 * expected.abs().max().item(), msg=name)
        assert not torch.equal(parameter.grad, expected)


def end(job: FittingJob, plan: TrainPlan, folder: Path) -> tuple[dict[str, torch.Tensor], float]:
    """Weights after a training, and their loss in float32."""
    train(job, plan, folder / "trained")
    setup = job.setup()
    setup.model.load_state_dict(load_file(folder / "trained"))
    with torch.no_grad():
        return load_file(folder / "trained"), setup.step(setup.model, np.arange(24)).item()


def test_both_train_to_about_the_same_loss(job: FittingJob, tmp_path: Path) -> None:
    with torch.no_grad():
        before = job.setup().step(job.setup().model, np.arange(24)).item()
    weights, plain = end(job, PLAN, tmp_path)
    rounded_weights, rounded = end(job, replace(PLAN, bfloat16=True), tmp_path)
    assert plain < 0.5 * before
    assert rounded == pytest.approx(plain, rel=0.1)
    assert not torch.equal(weights["head.classifier.weight"], rounded_weights["head.classifier.weight"])


def test_a_resumed_training_is_the_same_to_the_bit(job: FittingJob, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=20, bfloat16=True)
    whole, _ = end(job, plan, tmp_path)
    Trainer(job, plan).run(tmp_path / "checkpoint", until=11)  # the last checkpoint is that of step 7
    train(job, plan, tmp_path / "resumed", checkpoint=tmp_path / "checkpoint")
    resumed = load_file(tmp_path / "resumed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@dataclass
class Clock:
    """Seconds that pass between two looks, step after step: first in float32, then in bfloat16."""

    plain: float
    rounded: float
    looks: int = 0
    now: float = 0.0

    def __call__(self) -> float:
        if self.looks % (STEPS + 1):  # not the first look of a pass
            self.now += self.plain if self.looks <= STEPS else self.rounded
        self.looks += 1
        return self.now


@pytest.mark.parametrize(
    ("rounded", "faster", "looks"),
    [
        (0.7, True, 3 * (STEPS + 1)),
        (0.9, False, 3 * (STEPS + 1)),
        (1.3, False, 3 * (STEPS + 1)),
        (9.0, False, STEPS + 1 + 3),
    ],
    ids=["faster", "too little to be seen on all ranks", "slower", "so slow that it is not repeated"],
)
def test_the_arithmetic_is_chosen_by_the_clock(job: FittingJob, rounded: float, faster: bool, looks: int) -> None:
    clock, threads = Clock(1.0, rounded), torch.get_num_threads()
    assert faster_in_bfloat16(job, PLAN, clock=clock) == faster
    assert clock.looks == looks
    assert torch.get_num_threads() == threads


def test_a_model_of_narrow_products_stays_in_float32(job: FittingJob, tmp_path: Path) -> None:
    narrow = tiny((2, 32), per_token=True)
    save_file(Encoder(narrow).state_dict(), tmp_path / "narrow")
    job = replace(job, architecture=narrow, weights=tmp_path / "narrow")
    assert not faster_in_bfloat16(job, PLAN, clock=Clock(1.0, 0.1))
