"""Depthwise-separable convolution: relu(W (sum_j w_j * x_(i+j)) + b), a number per channel and shift, then a product.

The depthwise part stays in float32 in every precision: it has no matrix product, and takes k multiplications a value.
"""

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture


class SeparableConvolution(Block):
    """Of an odd kernel size."""

    source = "Chollet 2017, arXiv 1610.02357, section 2; over positions as in Kaiser et al. 2018, arXiv 1706.03059"

    def __init__(self, architecture: Architecture, *, kernel: int) -> None:
        super().__init__(architecture)
        self.kernel = kernel
        self.depthwise = nn.Conv1d(self.width, self.width, kernel, padding=kernel // 2, groups=self.width, bias=False)
        self.pointwise = nn.Linear(self.width, self.width)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        mixed = self.depthwise((x * masks.real).transpose(1, 2)).transpose(1, 2)
        return F.relu(self.pointwise(mixed))

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        real = graph.node("Mul", [x, masks.real], f"{name}.real")
        channels = graph.node("Transpose", [real], f"{name}.channels", perm=[0, 2, 1])
        weight = graph.constant(array(self.depthwise.weight), f"{name}.depthwise.weight")
        half = self.kernel // 2
        mixed = graph.node("Conv", [channels, weight], f"{name}.depthwise", group=self.width, pads=[half, half])
        rows = graph.node("Transpose", [mixed], f"{name}.rows", perm=[0, 2, 1])
        bias = array(self.pointwise.bias)
        return graph.node(
            "Relu", [graph.linear(rows, array(self.pointwise.weight).T, bias, f"{name}.pointwise")], name
        )
