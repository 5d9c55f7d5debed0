"""Embeddings block: LayerNorm(word[ids] + position[0..n) + type[type_ids]), and the additive attention mask.

Families without token types have no such table; families with narrow tables (ELECTRA) project to the hidden width. A
factorised word table is narrower than the others: word[ids] B, as in ALBERT (Lan et al. 2020, arXiv 1909.11942,
section 3.1), but in front of the sum and the norm.
"""

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
        width = architecture.embedding or architecture.hidden
        types = architecture.token_types
        self.word = nn.Embedding(architecture.vocabulary, architecture.word_rank or width)
        self.widen = nn.Linear(architecture.word_rank, width, bias=False) if architecture.word_rank else None
        self.position = nn.Embedding(architecture.positions, width)
        self.token_type = nn.Embedding(types, width) if types else None
        self.norm = nn.LayerNorm(width, eps=architecture.norm_epsilon)
        self.projection = nn.Linear(width, architecture.hidden) if architecture.embedding else None

    @property
    def tables(self) -> list[nn.Embedding]:
        """The embedding tables that there are."""
        return [table for table in (self.word, self.position, self.token_type) if table is not None]

    def forward(self, ids: Tensor, type_ids: Tensor | None) -> Tensor:
        """`ids` and `type_ids`: int64 [batch, length]; without type ids all are 0."""
        words = self.word(ids) if self.widen is None else self.widen(self.word(ids))
        summed = words + self.position.weight[: ids.shape[1]]
        if self.token_type is not None:
            summed = summed + self.token_type(torch.zeros_like(ids) if type_ids is None else type_ids)
        normed: Tensor = self.norm(summed)
        return normed if self.projection is None else self.projection(normed)

    def emit(self, graph: GraphBuilder, ids: str, type_ids: str | None) -> str:
        """The same in ONNX; returns the name of the hidden states."""
        summed = graph.node("Gather", [graph.constant(array(self.word.weight), "word.weight"), ids], "word")
        if self.widen is not None:
            summed = graph.product(summed, array(self.widen.weight).T, "word.widened")
        if self.token_type is not None and type_ids is not None:
            table = graph.constant(array(self.token_type.weight), "type.weight")
            summed = graph.node("Add", [summed, graph.node("Gather", [table, type_ids], "type")], "word_type")
        length = graph.node("Shape", [ids], "length", start=1, end=2)
        zero = graph.constant([0], "zero")
        table = graph.constant(array(self.position.weight), "position.weight")
        position = graph.node("Slice", [table, zero, length, zero], "position")
        summed = graph.node("Add", [summed, position], "embedded")
        norm = (array(self.norm.weight), array(self.norm.bias), self.norm.eps)
        x = graph.layer_norm(summed, *norm, "embeddings.norm")
        if self.projection is None:
            return x
        return graph.linear(x, array(self.projection.weight).T, array(self.projection.bias), "embeddings.projection")


def additive_mask(mask: Tensor) -> Tensor:
    """int64 [batch, length] with 1 = token -> float [batch, 1, 1, length] with 0 or a large negative number."""
    return (1.0 - mask[:, None, None, :].to(torch.float32)) * MASKED


def emit_additive_mask(graph: GraphBuilder, mask: str) -> str:
    """`additive_mask` in ONNX, once for all layers."""
    real = graph.node("Cast", [mask], "mask.float", to=FLOAT)
    absent = graph.node("Sub", [graph.constant(1.0, "one"), real], "mask.absent")
    scaled = graph.node("Mul", [absent, graph.constant(MASKED, "masked")], "mask.scaled")
    return graph.node("Unsqueeze", [scaled, graph.constant([1, 2], "mask.axes")], "mask")
