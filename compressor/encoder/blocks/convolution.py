"""Standard convolution over positions: relu(sum_j W_j x_(i+j) + b), j from -(k-1)/2 to (k-1)/2, zero outside the text.

Emitted as one product of the k shifted inputs side by side, [length, k width] x [k width, width]: a matrix product is
what the precision passes quantise, and int8 convolutions are slower than those in float32 in the runtimes at hand.
"""

from typing import cast

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture

END = 2**31 - 1


class Convolution(Block):
    """Of an odd kernel size."""

    source = "Kim 2014, arXiv 1408.5882, section 2, with as many filters as channels and zero padding"

    def __init__(self, architecture: Architecture, *, kernel: int) -> None:
        super().__init__(architecture)
        self.kernel = kernel
        self.filters = nn.Conv1d(self.width, self.width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        return F.relu(self.filters((x * masks.real).transpose(1, 2))).transpose(1, 2)

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        sides = graph.constant([0, self.kernel // 2, 0] * 2, f"{name}.sides")
        padded = graph.node("Pad", [graph.node("Mul", [x, masks.real], f"{name}.real"), sides], f"{name}.padded")
        shifted = [self._shifted(graph, padded, place, name) for place in range(self.kernel)]
        unfolded = graph.node("Concat", shifted, f"{name}.unfolded", axis=2)
        weight = self.filters.weight.permute(2, 1, 0).reshape(-1, self.width)  # [kernel * in, out]
        bias = array(cast(Tensor, self.filters.bias))
        return graph.node("Relu", [graph.linear(unfolded, array(weight), bias, f"{name}.filters")], name)

    def _shifted(self, graph: GraphBuilder, padded: str, place: int, name: str) -> str:
        """The padded input without `place` positions at the begin and the others of the kernel at the end."""
        behind = self.kernel - 1 - place
        bounds = {"start": place, "end": -behind if behind else END, "axis": 1}
        constants = [graph.constant([value], f"{name}.{part}{place}") for part, value in bounds.items()]
        return graph.node("Slice", [padded, *constants], f"{name}.shifted{place}")
