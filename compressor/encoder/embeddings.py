"""Embeddings block: LayerNorm(word[ids] + position[0..n) + type[type_ids]), and the additive attention mask."""

import torch
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import FLOAT, GraphBuilder
from compressor.records.architecture import Architecture

# Large enough that softmax gives a masked position exactly 0 in float32, small enough for float16.
MASKED = -1e4


class Embeddings(nn.Module):
    """ids [batch, length] -> hidden states [batch, length, hidden]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        hidden = architecture.hidden
        self.word = nn.Embedding(architecture.vocabulary, hidden)
        self.position = nn.Embedding(architecture.positions, hidden)
        self.token_type = nn.Embedding(architecture.token_types, hidden)
        self.norm = nn.LayerNorm(hidden, eps=architecture.norm_epsilon)

    def forward(self, ids: Tensor, type_ids: Tensor) -> Tensor:
        """`ids` and `type_ids`: int64 [batch, length]."""
        summed = self.word(ids) + self.token_type(type_ids) + self.position.weight[: ids.shape[1]]
        normed: Tensor = self.norm(summed)
        return normed

    def emit(self, graph: GraphBuilder, ids: str, type_ids: str) -> str:
        """The same in ONNX; returns the name of the hidden states."""
        word = graph.node("Gather", [graph.constant(array(self.word.weight), "word.weight"), ids], "word")
        kind = graph.node("Gather", [graph.constant(array(self.token_type.weight), "type.weight"), type_ids], "type")
        length = graph.node("Shape", [ids], "length", start=1, end=2)
        zero = graph.constant([0], "zero")
        table = graph.constant(array(self.position.weight), "position.weight")
        position = graph.node("Slice", [table, zero, length, zero], "position")
        summed = graph.node("Add", [graph.node("Add", [word, kind], "word_type"), position], "embedded")
        return graph.layer_norm(
            summed, array(self.norm.weight), array(self.norm.bias), self.norm.eps, "embeddings.norm"
        )


def additive_mask(mask: Tensor) -> Tensor:
    """int64 [batch, length] with 1 = token -> float [batch, 1, 1, length] with 0 or a large negative number."""
    return (1.0 - mask[:, None, None, :].to(torch.float32)) * MASKED


def emit_additive_mask(graph: GraphBuilder, mask: str) -> str:
    """`additive_mask` in ONNX, once for all layers."""
    real = graph.node("Cast", [mask], "mask.float", to=FLOAT)
    absent = graph.node("Sub", [graph.constant(1.0, "one"), real], "mask.absent")
    scaled = graph.node("Mul", [absent, graph.constant(MASKED, "masked")], "mask.scaled")
    return graph.node("Unsqueeze", [scaled, graph.constant([1, 2], "mask.axes")], "mask")
