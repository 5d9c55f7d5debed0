"""Parameters as one vector."""

import pytest
import torch
from tiny_jobs import Model

from compressor.train.flat import FlatParameters


def flattened(model: Model) -> tuple[FlatParameters, torch.Tensor]:
    flat = FlatParameters(model)
    values = torch.zeros(flat.size)
    flat.write(values)
    flat.read_from(values)
    return flat, values


def test_the_values_are_kept_and_both_sides_see_every_change() -> None:
    model = Model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _, values = flattened(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    values.zero_()
    assert all(not p.any() for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        model.first.weight.fill_(2.0)
    assert values.sum() == 2.0 * model.first.weight.numel()


def test_writing_does_not_tie_the_model_to_the_vector() -> None:
    model = Model()
    flat, values = FlatParameters(model), torch.zeros(FlatParameters(model).size)
    flat.write(values)
    before = model.first.weight.detach().clone()
    values.zero_()
    assert torch.equal(model.first.weight, before)


def test_backward_passes_add_to_the_vector_of_the_moment() -> None:
    model, reference, x = Model(), Model(), torch.randn(4, 6)
    reference.load_state_dict(model.state_dict())
    flat, _ = flattened(model)
    vectors = torch.zeros(2, flat.size)
    for vector, factor in ((vectors[0], 1.0), (vectors[1], 3.0), (vectors[1], 2.0)):
        flat.gradients_into(vector)
        (factor * model(x).square().sum()).backward()
    reference(x).square().sum().backward()
    expected = {name: p.grad for name, p in reference.named_parameters() if p.requires_grad}
    torch.testing.assert_close(vectors[1], 5 * vectors[0])
    flat.gradients_into(vectors[0])
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, expected[name])


def test_frozen_parameters_stay_outside() -> None:
    model = Model()
    frozen = model.frozen.weight.clone()
    flat, values = flattened(model)
    values.zero_()
    flat.gradients_into(torch.zeros_like(values))
    assert torch.equal(model.frozen.weight, frozen)
    assert model.frozen.weight.grad is None


@pytest.mark.parametrize("edge", [0.0, 0.3, 1.0], ids=["before it", "around it", "behind it"])
def test_only_matrices_are_decayed_whatever_the_share(edge: float) -> None:
    model = Model()
    flat, values = flattened(model)
    assert flat.decayed == model.first.weight.numel() + model.last.weight.numel()
    share = slice(round(edge * flat.decayed), flat.size) if edge else slice(0, flat.decayed // 2)
    pieces = flat.decay(share, 0.01)
    assert [piece.start for piece, _ in pieces] + [pieces[-1][0].stop] == sorted(
        {share.start, share.stop, *([flat.decayed] if share.start < flat.decayed < share.stop else [])}
    )
    for piece, decay in pieces:
        values[piece] = decay
    decayed = {p for p in model.parameters() if p.requires_grad and bool((p == 0.01).any())}
    assert all(p.dim() == 2 for p in decayed)
    assert bool(decayed) == (edge < 1.0)
