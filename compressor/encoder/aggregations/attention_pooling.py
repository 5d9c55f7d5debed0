"""Self-attention pooling: sum_i a_i x_i with a = softmax over the tokens of w_2 tanh(W_1 x_i).

The product with w_2 is emitted as a weighted sum: a matrix of one column would cost more to quantise than to multiply,
and the precision passes quantise every product with a constant matrix.
"""

import torch
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture


class AttentionPooling(Block):
    """[batch, length, width] -> [batch, 1, width]."""

    source = "Lin et al. 2017, arXiv 1703.03130, eq. 5, one row of attention and no penalty"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.inner = nn.Linear(self.width, self.width, bias=False)
        self.asked = nn.Linear(self.width, 1, bias=False)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        scores = self.asked(torch.tanh(self.inner(x))).transpose(1, 2)  # [batch, 1, length]
        pooled: Tensor = (scores + masks.additive[:, 0]).softmax(-1) @ x
        return pooled

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        active = graph.node("Tanh", [graph.product(x, array(self.inner.weight).T, f"{name}.inner")], f"{name}.active")
        weighted = graph.node(
            "Mul", [active, graph.constant(array(self.asked.weight[0]), f"{name}.w")], f"{name}.weighted"
        )
        asked = graph.node("ReduceSum", [weighted, graph.constant([2], f"{name}.channels")], f"{name}.asked")
        scores = graph.node("Transpose", [asked], f"{name}.scores", perm=[0, 2, 1])
        mask = graph.node("Squeeze", [masks.additive, graph.constant([1], f"{name}.mask.axis")], f"{name}.mask")
        weights = graph.node("Softmax", [graph.node("Add", [scores, mask], f"{name}.masked")], f"{name}.weights")
        return graph.node("MatMul", [weights, x], name)
