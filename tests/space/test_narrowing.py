"""Networks with fewer channels: which stay, and that nothing else changes."""

from dataclasses import replace

import pytest
import torch
from tiny_models import masked_batch, random_encoder, tiny, torch_logits

from compressor.encoder import Encoder
from compressor.records.architecture import Architecture
from compressor.space.narrowing import channel_importance, narrowed

SHAPES = {
    "first token": tiny((2, 32), (1, 16)),
    "per token": tiny((2, 32), (1, 16), per_token=True),
    "narrow tables": tiny((2, 32), (1, 16), embedding=8),
    "narrow words": tiny((2, 32), (1, 16), word_rank=8),
    "relative": tiny((2, 32), (1, 16), relative_buckets=8, token_types=0),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_narrower_one_runs(shape: Architecture) -> None:
    network = random_encoder(shape)
    student = narrowed(network, 10, "relu")
    assert student.architecture == replace(shape, hidden=10, activation="relu")
    found = torch_logits(student, masked_batch(shape))
    assert found.shape == torch_logits(network, masked_batch(shape)).shape
    assert abs(found).max() > 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_all_channels_are_the_network(shape: Architecture) -> None:
    network = random_encoder(shape)
    student = narrowed(network, shape.hidden, shape.activation)
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), network.parameters(), strict=True))


def test_the_channels_that_are_read_stay() -> None:
    network = random_encoder(SHAPES["first token"])
    silent = [1, 4, 11]
    with torch.no_grad():
        norms = [network.embeddings.norm, *(part.norm for part in network.parts if part is not None)]
        for norm in norms:
            norm.weight[silent] = 0
    importance = channel_importance(network)
    assert not importance[silent].any()
    assert (importance.nonzero().flatten() == torch.tensor([c for c in range(16) if c not in silent])).all()
    student: Encoder = narrowed(network, 13, "gelu")
    kept = [c for c in range(16) if c not in silent]
    assert torch.equal(student.embeddings.word.weight, network.embeddings.word.weight[:, kept])
    parts = [p for p in network.parts if p is not None], [p for p in student.parts if p is not None]
    for old, new in zip(*parts, strict=True):
        assert torch.equal(new.output.weight, old.output.weight[kept])
