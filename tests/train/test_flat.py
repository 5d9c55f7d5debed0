"""Parameters as one vector."""

import pytest
import torch
from tiny_jobs import Model
from torch import nn

from compressor.train.flat import FlatParameters


def filled(model: nn.Module, scale: float) -> None:
    torch.manual_seed(2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad.copy_(scale * torch.randn_like(parameter))


def test_the_values_are_kept_and_both_sides_see_every_change() -> None:
    model = Model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flat = FlatParameters(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    flat.values.zero_()
    assert all(not p.any() for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        model.first.weight.fill_(2.0)
    assert flat.values.sum() == 2.0 * model.first.weight.numel()


def test_a_backward_pass_fills_the_gradient_vector() -> None:
    model, reference, x = Model(), Model(), torch.randn(4, 6)
    reference.load_state_dict(model.state_dict())
    flat = FlatParameters(model)
    for part in (model, reference):
        part(x).square().sum().backward()
    expected = {name: p.grad for name, p in reference.named_parameters() if p.requires_grad}
    assert flat.gradients.numel() == sum(gradient.numel() for gradient in expected.values())
    torch.testing.assert_close(flat.gradients.norm(), torch.cat([g.flatten() for g in expected.values()]).norm())
    flat.gradients.mul_(2)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, 2 * expected[name])


def test_frozen_parameters_stay_outside() -> None:
    model = Model()
    flat = FlatParameters(model)
    frozen = model.frozen.weight.clone()
    flat.values.zero_()
    assert torch.equal(model.frozen.weight, frozen)
    assert model.frozen.weight.grad is None


def test_only_matrices_are_decayed_and_the_groups_are_views() -> None:
    model = Model()
    flat = FlatParameters(model)
    matrices, vectors = flat.groups(0.01)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.01, 0.0)
    assert matrices["params"][0].numel() == model.first.weight.numel() + model.last.weight.numel()
    assert matrices["params"][0].numel() + vectors["params"][0].numel() == flat.values.numel()
    with torch.no_grad():
        vectors["params"][0].fill_(7.0)
        matrices["params"][0].fill_(3.0)
    assert (model.norm.weight == 7).all()
    assert (model.last.bias == 7).all()
    assert (model.last.weight == 3).all()
    flat.gradients.fill_(5.0)
    assert (vectors["params"][0].grad == 5).all()


@pytest.mark.parametrize("scale", [100.0, 1e-3], ids=["clipped", "left alone"])
def test_clipping_is_that_of_torch(scale: float) -> None:
    model, reference = Model(), Model()
    flat = FlatParameters(model)
    for parameter in reference.parameters():
        parameter.grad = torch.zeros_like(parameter)
    filled(model, scale)
    filled(reference, scale)
    trainable = [p for p in reference.parameters() if p.requires_grad]
    expected = torch.nn.utils.clip_grad_norm_(trainable, 1.0)
    torch.testing.assert_close(flat.clip(1.0), expected)
    for mine, theirs in zip((p for p in model.parameters() if p.requires_grad), trainable, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=0)
