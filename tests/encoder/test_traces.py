"""Traces of the canonical encoder: the logits of `forward`, and what numpy computes on the way."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from encoder.numpy_encoder import NumpyEncoder
from numpy.typing import NDArray
from tiny_models import masked_batch, random_encoder, tiny, torch_logits
from torch import Tensor

from compressor.encoder import INPUTS, Encoder, Sizes, Trace, sizes_of
from compressor.encoder.traces import pooled_trace
from compressor.records.architecture import Architecture

# As in test_parity.py: float32, sums of at most 64 terms of size 1.
TOLERANCE = 1e-5

SHAPES = {
    "whole": tiny((2, 32), (2, 32)),
    "no attention last": tiny((2, 32), (0, 32)),
    "attention only": tiny((2, 0), (1, 0)),
    "no layers": tiny(),
    "per token": tiny((2, 32), (1, 16), per_token=True),
    "relative positions": tiny((2, 32), (2, 16), relative_buckets=8),
    "narrow embeddings": tiny((2, 32), embedding=8),
    "no token types": tiny((1, 16), token_types=0),
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return random_encoder(request.param)


def traced(encoder: Encoder, batch: Mapping[str, NDArray[np.int64]], *, scores: bool) -> Trace:
    with torch.no_grad():
        return encoder.trace(*(torch.from_numpy(batch[name]) for name in INPUTS), scores=scores)


@pytest.mark.parametrize("scores", [False, True])
def test_the_logits_are_those_of_forward(encoder: Encoder, scores: bool) -> None:
    batch = masked_batch(encoder.architecture)
    found, expected = traced(encoder, batch, scores=scores), torch_logits(encoder, batch)
    real = batch["attention_mask"].astype(bool)
    expected = expected[real] if encoder.architecture.per_token else expected
    np.testing.assert_allclose(found.outputs.numpy(), expected, rtol=0, atol=TOLERANCE)
    assert abs(expected).max() > 0.1


@pytest.mark.parametrize("scores", [False, True])
def test_its_shapes_are_those_of_its_sizes(encoder: Encoder, scores: bool) -> None:
    sizes, batch = sizes_of(encoder.architecture), masked_batch(encoder.architecture)
    found, (rows, length) = traced(encoder, batch, scores=scores), batch["input_ids"].shape
    assert [tuple(state.shape) for state in found.hidden] == [(rows, length, width) for width in sizes.widths]
    expected = [(rows, heads, length, length) if heads else None for heads in sizes.heads]
    assert [None if s is None else tuple(s.shape) for s in found.scores] == (expected if scores else [])
    assert sizes.classes == found.outputs.shape[-1]


def prefix(shape: Architecture, layers: int) -> Architecture:
    return replace(shape, layers=shape.layers[:layers])


def test_every_hidden_state_is_that_of_numpy() -> None:
    shape = SHAPES["whole"]
    encoder, batch = random_encoder(shape), masked_batch(shape)
    found = traced(encoder, batch, scores=True)
    real = batch["attention_mask"].astype(bool)
    for layers, state in enumerate(found.hidden):
        cut = Encoder(prefix(shape, layers))
        cut.load_state_dict(encoder.state_dict(), strict=False)
        expected = NumpyEncoder(cut).hidden_states(batch)
        np.testing.assert_allclose(state.numpy()[real], expected[real], rtol=0, atol=TOLERANCE)


def test_scores_are_scaled_products_without_the_mask() -> None:
    shape = SHAPES["whole"]
    encoder, batch = random_encoder(shape), masked_batch(shape)
    found = traced(encoder, batch, scores=True)
    attention, x = encoder.layers[1].attention, found.hidden[1]
    with torch.no_grad():
        q, k = (part(x).numpy()[2, :, 8:16] for part in (attention.query, attention.key))  # row 2, head 1 of size 8
    np.testing.assert_allclose(found.scores[1][2, 1].numpy(), q @ k.T / np.sqrt(8), rtol=0, atol=TOLERANCE)
    assert batch["attention_mask"][2].sum() == 1  # so the mask would have shown


def test_what_stands_for_a_row_is_the_first_token_unless_the_model_pools() -> None:
    hidden = (torch.randn(2, 3, 4), torch.randn(2, 3, 5))
    trace = Trace(torch.randn(2, 2), torch.ones(2, 3, dtype=torch.long), hidden)
    assert torch.equal(trace.row(1), hidden[1][:, 0])
    pooled = (torch.randn(2, 5),)
    assert torch.equal(replace(trace, pooled=pooled).row(1), pooled[0])
    with pytest.raises(IndexError):
        replace(trace, pooled=pooled).row(0)  # nobody pools the embeddings


def test_every_layer_is_pooled_once_and_the_embeddings_never() -> None:
    states, mask, asked = [torch.randn(2, 3, 4) for _ in range(3)], torch.ones(2, 3, dtype=torch.long), []

    def pool(state: Tensor) -> Tensor:
        asked.append(state)
        return state.mean(1, keepdim=True)

    trace = pooled_trace(states, mask, pool, lambda x: 2 * x[:, 0], scores=True)
    assert [state is layer for state, layer in zip(asked, states[1:], strict=True)] == [True, True]
    assert [torch.equal(trace.row(layer), states[layer].mean(1)) for layer in (1, 2)] == [True, True]
    assert torch.equal(trace.logits, 2 * states[2].mean(1))
    assert trace.scores == (None, None)
    every = pooled_trace(states, mask, None, lambda x: 2 * x, scores=False)
    assert torch.equal(every.logits, 2 * states[2])
    assert (every.pooled, every.scores) == ((), ())


def test_a_detached_trace_has_the_same_numbers_and_no_gradient() -> None:
    shape = SHAPES["no attention last"]
    encoder, batch = random_encoder(shape), masked_batch(shape)
    trace = encoder.trace(*(torch.from_numpy(batch[name]) for name in INPUTS), scores=True)
    found = replace(trace, pooled=(trace.hidden[0][:, 0],)).detached()
    tensors = [found.logits, *found.hidden, found.scores[0], *found.pooled]
    assert trace.logits.requires_grad
    assert not any(tensor.requires_grad for tensor in tensors)
    assert torch.equal(found.hidden[1], trace.hidden[1])
    assert found.scores[1] is None


def test_sizes_are_those_of_the_architecture() -> None:
    assert sizes_of(SHAPES["no attention last"]) == Sizes((16, 16, 16), (2, 0), 3)
