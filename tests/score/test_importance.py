"""Importance of units against finite differences and against a second formula."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import masked_batch, random_encoder, tiny
from torch import Tensor

from compressor.encoder import Encoder, additive_mask, drop_padding
from compressor.score import Batch, unit_importance
from compressor.score.importance import MOST_CLASSES, order

SHAPE = tiny((2, 16), (0, 16), (3, 0), (1, 32))


def as_batch(lengths: tuple[int, ...], seed: int = 0) -> Batch:
    found = masked_batch(SHAPE, lengths, seed)
    return Batch(*(torch.from_numpy(found[name]) for name in ("input_ids", "attention_mask", "token_type_ids")))


def log_p(encoder: Encoder, batch: Batch, factors: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Log probabilities in double precision."""
    x = encoder.embeddings(batch.ids, batch.type_ids)
    return encoder.from_layer(0, x, additive_mask(batch.mask).double(), factors).log_softmax(-1)


@torch.no_grad()
def brute_force(encoder: Encoder, batch: Batch, step: float = 1e-5) -> list[tuple[np.ndarray, np.ndarray]]:
    """Central differences in float64, one unit after the other."""
    encoder = encoder.double()
    rows, layers = len(batch.ids), encoder.architecture.layers
    ones = [(torch.ones(rows, w.heads).double(), torch.ones(rows, w.neurons).double()) for w in layers]
    p = log_p(encoder, batch, ones).exp()
    result = []
    for pair in ones:
        scores = []
        for factor in pair:
            values = np.zeros(factor.shape[1])
            for unit in range(factor.shape[1]):
                factor[:, unit] = 1 + step
                up = log_p(encoder, batch, ones)
                factor[:, unit] = 1 - step
                down = log_p(encoder, batch, ones)
                factor[:, unit] = 1.0
                values[unit] = float((p * ((up - down) / (2 * step)).square()).sum())
            scores.append(values)
        result.append((scores[0], scores[1]))
    return result


def test_it_is_the_fisher_information_found_by_finite_differences() -> None:
    batch = as_batch((7, 3, 1, 5))
    found = unit_importance(random_encoder(SHAPE), [batch])
    expected = brute_force(random_encoder(SHAPE), batch)
    for mine, theirs in zip(found, expected, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            # Gradients in float32: relative error of some 1e-6 of the largest one, squared and summed.
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-3, atol=1e-6)
    assert [tuple(len(part) for part in pair) for pair in found] == [(2, 16), (0, 16), (3, 0), (1, 32)]


def fisher_by_jacobian(encoder: Encoder, batch: Batch) -> Tensor:
    """Exact, one backward pass per token (or row) and class; heads and neurons of all layers [units], float64."""
    encoder, regression = encoder.double(), encoder.architecture.kind == "regression"
    layers = encoder.architecture.layers
    factors = [torch.ones(1, width).double().requires_grad_() for w in layers for width in (w.heads, w.neurons)]
    totals = [torch.zeros(factor.shape[1]).double() for factor in factors]
    for row in range(len(batch.ids)):
        x = encoder.embeddings(batch.ids[row : row + 1], batch.type_ids[row : row + 1])
        mask = batch.mask[row : row + 1]
        keep = list(zip(factors[::2], factors[1::2], strict=True))
        outputs = drop_padding(encoder.from_layer(0, x, additive_mask(mask).double(), keep), mask)
        for value in (outputs if regression else outputs.log_softmax(-1)).flatten():
            weight = 1.0 if regression else float(value.detach().exp())
            gradients = torch.autograd.grad(value, factors, retain_graph=True, allow_unused=True)
            for total, gradient in zip(totals, gradients, strict=True):
                total += weight * (0.0 if gradient is None else gradient[0].square())
    return torch.cat(totals)


def flat(found: list[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.cat([part for pair in found for part in pair])


def test_of_a_regression_it_is_the_squared_gradient_of_the_output() -> None:
    shape, batch = replace(SHAPE, classes=1), as_batch((7, 3, 1, 5))
    found = flat(unit_importance(random_encoder(shape), [batch]))
    torch.testing.assert_close(found, fisher_by_jacobian(random_encoder(shape), batch), rtol=1e-3, atol=1e-6)
    assert found.max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [{"per_token": True}, {"per_token": True, "classes": 12}, {"classes": 12}],
    ids=["tokens", "tokens and many classes", "many classes"],
)
def test_the_drawn_estimate_is_right_on_average(changes: dict[str, Any]) -> None:
    shape, batch = replace(SHAPE, **changes), as_batch((7, 3, 1, 5))
    encoder = random_encoder(shape)
    draws = torch.stack([flat(unit_importance(encoder, [batch], seed=seed)) for seed in range(250)])
    expected = fisher_by_jacobian(random_encoder(shape), batch)
    used = expected > 1e-9
    assert used.sum() > 40
    error = (draws.mean(0) - expected)[used] / (draws.std(0)[used] / 250**0.5)
    assert error.square().mean().sqrt() < 2  # of size 1 if it is unbiased
    assert (draws.mean(0)[used].sum() / expected[used].sum()).item() == pytest.approx(1, abs=0.1)


def test_what_is_drawn_follows_from_the_seed() -> None:
    encoder, batch = random_encoder(replace(SHAPE, per_token=True)), as_batch((6, 2, 4))
    first, again, other = (flat(unit_importance(encoder, [batch], seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("classes", "drawn"), [(MOST_CLASSES, False), (MOST_CLASSES + 1, True)])
def test_a_few_classes_are_added_up_exactly(classes: int, drawn: bool) -> None:
    encoder, batch = random_encoder(replace(SHAPE, classes=classes)), as_batch((6, 2, 4))
    first, other = (flat(unit_importance(encoder, [batch], seed=seed)) for seed in (0, 1))
    assert torch.equal(first, other) != drawn


def test_two_classes_agree_with_the_formula_of_the_logit() -> None:
    # sum_c p_c (d log p_c)^2 = p_0 p_1 (d (z_0 - z_1))^2
    shape = tiny((2, 16), (2, 16), classes=2)
    encoder, batch = random_encoder(shape, seed=3), as_batch((6, 2, 4))
    heads, neurons = unit_importance(encoder, [batch])[0]
    factors = [(torch.ones(3, 2, requires_grad=True), torch.ones(3, 16, requires_grad=True)) for _ in range(2)]
    logits = encoder(batch.ids, batch.mask, batch.type_ids, factors)
    gradients = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), factors[0])
    weight = logits.softmax(-1).prod(-1).detach()[:, None]
    for found, gradient in zip((heads, neurons), gradients, strict=True):
        expected = (weight * gradient.square()).sum(0).double()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)


def test_rows_add_up_whatever_they_are_padded_with() -> None:
    encoder, together = random_encoder(SHAPE), as_batch((7, 3, 1, 5))
    alone = []
    for row, length in enumerate((7, 3, 1, 5)):
        alone.append(Batch(*(x[row : row + 1, :length] for x in (together.ids, together.mask, together.type_ids))))
    pairs = zip(unit_importance(encoder, [together]), unit_importance(encoder, alone), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("importance", "expected"),
    [([0.1, 3.0, 0.2], (1, 2, 0)), ([1.0, 2.0, 1.0, 2.0], (1, 3, 0, 2)), ([0.0, 0.0, 0.0], (0, 1, 2)), ([], ())],
    ids=["distinct", "ties by index", "all equal", "no unit"],
)
def test_the_order_is_stable(importance: list[float], expected: tuple[int, ...]) -> None:
    assert order(torch.tensor(importance, dtype=torch.float64)) == expected
