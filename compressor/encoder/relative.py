"""Learned bias on relative positions, one value per bucket and head, added to the attention scores.

    bias[h, i, j] = table[bucket(j - i), h]

Buckets of Raffel et al. 2020 (T5, section 2.1) in both directions: half of them for each sign; within a sign, one per
distance up to a quarter of all, then logarithmically wider ones up to distance 128, the last for everything beyond.
MPNet shares one table among its layers; here every layer has its own copy, since each keeps its own heads.
"""

import math

import torch
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import GraphBuilder

FARTHEST = 128


def bucket(distance: Tensor, buckets: int) -> Tensor:
    """Bucket of each distance j - i (int64, any shape), the same shape."""
    half = buckets // 2
    exact = half // 2
    far = distance.abs()
    scaled = torch.log(far.clamp(min=1).float() / exact) / math.log(FARTHEST / exact) * (half - exact)
    wide = (exact + scaled.long()).clamp(max=half - 1)
    return torch.where(far < exact, far, wide) + half * (distance > 0)


class RelativeBias(nn.Module):
    """Adds the bias to an additive mask: [batch, 1, 1, length] -> [batch, heads, length (or 1), length]."""

    def __init__(self, buckets: int, heads: int, positions: int) -> None:
        super().__init__()
        self.table = nn.Embedding(buckets, heads)
        self._buckets, self._positions = buckets, positions

    def forward(self, mask: Tensor | None, length: int, *, first_token: bool) -> Tensor:
        """`mask` None = no padding."""
        positions = torch.arange(length)
        rows = positions[:1] if first_token else positions
        bias: Tensor = self.table(bucket(positions[None] - rows[:, None], self._buckets)).permute(2, 0, 1)[None]
        return bias if mask is None else mask + bias

    def emit(self, graph: GraphBuilder, mask: str, name: str, *, first_token: bool) -> str:
        """The same in ONNX; what does not depend on the layer is equal in all of them, and the runtime merges it."""
        last = self._positions - 1
        by_distance = self.table.weight[bucket(torch.arange(-last, last + 1), self._buckets)]
        length = graph.node("Shape", [mask], f"{name}.length", start=3, end=4)
        count = graph.node("Squeeze", [length], f"{name}.count")
        zero, one = graph.scalar(0, f"{name}.zero"), graph.scalar(1, f"{name}.one")
        positions = graph.node("Range", [zero, count, one], f"{name}.positions")
        index = graph.node("Add", [positions, graph.constant([last], f"{name}.last")], f"{name}.index")
        if first_token:
            index = graph.node("Unsqueeze", [index, graph.constant([0], f"{name}.axis")], f"{name}.distance")
        else:
            rows = graph.node("Unsqueeze", [positions, graph.constant([1], f"{name}.axis")], f"{name}.rows")
            index = graph.node("Sub", [index, rows], f"{name}.distance")
        table = graph.constant(array(by_distance).T, f"{name}.table")
        bias = graph.node("Gather", [table, index], f"{name}.bias", axis=1)
        return graph.node("Add", [mask, bias], f"{name}.mask")
