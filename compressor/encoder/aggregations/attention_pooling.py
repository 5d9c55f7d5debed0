"""Self-attention pooling: sum_i a_i x_i with a = softmax over the tokens of w_2 tanh(W_1 x_i)."""

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
        scores = graph.node(
            "MatMul", [active, graph.constant(array(self.asked.weight).T, f"{name}.w")], f"{name}.asked"
        )
        scores = graph.node("Transpose", [scores], f"{name}.scores", perm=[0, 2, 1])
        mask = graph.node("Squeeze", [masks.additive, graph.constant([1], f"{name}.mask.axis")], f"{name}.mask")
        weights = graph.node("Softmax", [graph.node("Add", [scores, mask], f"{name}.masked")], f"{name}.weights")
        return graph.node("MatMul", [weights, x], name)

    def operations(self, length: int) -> int:
        """See `Block`."""
        return 2 * length * (self.width**2 + 2 * self.width)
