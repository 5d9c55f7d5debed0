"""Curvature of outputs against finite differences and against a second formula."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import masked_batch, random_encoder, tiny
from torch import Tensor

from compressor.encoder import Attention, Encoder, FeedForward, additive_mask, drop_padding
from compressor.score import Batch
from compressor.score.curvature import MOST_CLASSES, output_curvature

SHAPE = tiny((2, 16), (0, 16), (3, 0), (1, 32))
THERE = [(0, 0), (0, 1), (1, 1), (2, 0), (3, 0), (3, 1)]  # layer, and 0 = attention


def as_batch(lengths: tuple[int, ...], seed: int = 0) -> Batch:
    found = masked_batch(SHAPE, lengths, seed)
    return Batch(*(torch.from_numpy(found[name]) for name in ("input_ids", "attention_mask", "token_type_ids")))


def flat(encoder: Encoder, batches: list[Batch], seed: int = 0) -> Tensor:
    """All matrices one after the other."""
    found = output_curvature(encoder, batches, seed=seed)
    return torch.cat([matrix.flatten() for pair in found for matrix in pair if matrix is not None])


def with_errors(encoder: Encoder, batch: Batch, errors: dict[tuple[int, int], Tensor]) -> Tensor:
    """Outputs [rows or tokens, classes] when [rows, length, hidden] is added to what projections put out."""
    x, mask = encoder.embeddings(batch.ids, batch.type_ids), additive_mask(batch.mask).double()
    for index, layer in enumerate(encoder.layers):
        first_only = index >= encoder.architecture.first_token_from
        for which, part in enumerate((layer.attention, layer.feed_forward)):
            if isinstance(part, Attention | FeedForward):
                read = part.features(x, mask) if isinstance(part, Attention) else part.features(x)
                put_out = part.output(read) + errors[index, which]
                x = part.norm(x + put_out)
        x = x[:, :1] if first_only else x
        errors = {key: e[:, :1] if first_only else e for key, e in errors.items()}
    outputs: Tensor = encoder.head(x)
    return drop_padding(outputs, batch.mask)


def by_jacobian(encoder: Encoder, batch: Batch) -> Tensor:
    """Exact, one backward pass per row, or token, and class; all matrices one after the other, float64."""
    encoder, regression = encoder.double(), encoder.architecture.kind == "regression"
    hidden = encoder.architecture.hidden
    totals = {key: torch.zeros(hidden, hidden).double() for key in THERE}
    for row in range(len(batch.ids)):
        single = Batch(*(x[row : row + 1] for x in (batch.ids, batch.mask, batch.type_ids)))
        shape = (1, single.ids.shape[1], hidden)
        errors = {key: torch.zeros(shape).double().requires_grad_() for key in THERE}
        outputs = with_errors(encoder, single, errors)
        for value in (outputs if regression else outputs.log_softmax(-1)).flatten():
            weight = 1.0 if regression else float(value.detach().exp())
            gradients = torch.autograd.grad(value, list(errors.values()), retain_graph=True, allow_unused=True)
            for key, gradient in zip(THERE, gradients, strict=True):
                if gradient is not None:
                    totals[key] += weight * gradient[0].T @ gradient[0]
    return torch.cat([total.flatten() for total in totals.values()])


@pytest.mark.parametrize("changes", [{}, {"classes": 1}], ids=["classes", "regression"])
def test_it_is_the_information_in_every_output(changes: dict[str, Any]) -> None:
    shape, batch = replace(SHAPE, **changes), as_batch((7, 3, 1, 5))
    found = flat(random_encoder(shape), [batch])
    torch.testing.assert_close(found, by_jacobian(random_encoder(shape), batch), rtol=1e-3, atol=1e-5)
    assert found.max() > 1e-2
    pairs = output_curvature(random_encoder(shape), [batch])
    assert [(index, which) for index in range(4) for which in (0, 1) if pairs[index][which] is not None] == THERE


def test_it_tells_the_divergence_of_small_errors() -> None:
    encoder, batch = random_encoder(SHAPE), as_batch((7, 3, 1, 5))
    curvature = output_curvature(random_encoder(SHAPE), [batch])[0][1]
    assert curvature is not None
    encoder, random, size = encoder.double(), torch.Generator().manual_seed(0), 1e-3
    none = {key: torch.zeros(4, 7, SHAPE.hidden).double() for key in THERE}
    found, expected = 0.0, 0.0
    with torch.no_grad():
        log_p = with_errors(encoder, batch, none).log_softmax(-1)
        for _ in range(400):
            direction = size * torch.randn(SHAPE.hidden, generator=random, dtype=torch.float64)
            token = int(torch.randint(7, (1,), generator=random))
            error = torch.zeros(4, 7, SHAPE.hidden).double()
            error[:, token] = direction
            log_q = with_errors(encoder, batch, {**none, (0, 1): error}).log_softmax(-1)
            found += float((log_p.exp() * (log_p - log_q)).sum())
            expected += float(direction @ curvature @ direction) / 2 / 7
    assert found == pytest.approx(expected, rel=0.15)  # a mean of 400 draws


@pytest.mark.parametrize(
    "changes",
    [{"per_token": True}, {"per_token": True, "classes": 12}, {"classes": 12}],
    ids=["tokens", "tokens and many classes", "many classes"],
)
def test_the_drawn_estimate_is_right_on_average(changes: dict[str, Any]) -> None:
    shape, batch = replace(SHAPE, **changes), as_batch((7, 3, 1, 5))
    encoder = random_encoder(shape)
    draws = torch.stack([flat(encoder, [batch], seed) for seed in range(250)])
    expected = by_jacobian(random_encoder(shape), batch)
    used = expected.abs() > 1e-6
    assert used.sum() > 1000
    error = (draws.mean(0) - expected)[used] / (draws.std(0)[used] / 250**0.5)
    assert error.square().mean().sqrt() < 2  # of size 1 if it is unbiased
    size = draws.mean(0).abs().sum() / expected.abs().sum()
    assert size.item() == pytest.approx(1, abs=0.1)


def test_what_is_drawn_follows_from_the_seed() -> None:
    encoder, batch = random_encoder(replace(SHAPE, per_token=True)), as_batch((6, 2, 4))
    first, again, other = (flat(encoder, [batch], seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("classes", "drawn"), [(MOST_CLASSES, False), (MOST_CLASSES + 1, True)])
def test_a_few_classes_are_added_up_exactly(classes: int, drawn: bool) -> None:
    encoder, batch = random_encoder(replace(SHAPE, classes=classes)), as_batch((6, 2, 4))
    first, other = (flat(encoder, [batch], seed) for seed in (0, 1))
    assert torch.equal(first, other) != drawn


def test_rows_add_up_whatever_they_are_padded_with() -> None:
    encoder, together = random_encoder(SHAPE), as_batch((7, 3, 1, 5))
    alone = []
    for row, length in enumerate((7, 3, 1, 5)):
        alone.append(Batch(*(x[row : row + 1, :length] for x in (together.ids, together.mask, together.type_ids))))
    np.testing.assert_allclose(flat(encoder, [together]), flat(encoder, alone), rtol=1e-4, atol=1e-6)
