"""None: the edge is not there. A candidate while edges are mixed; nothing of it is left in a student."""

import torch
from torch import Tensor

from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder


class Nothing(Block):
    """x -> 0."""

    source = "zero operation of DARTS (Liu et al. 2019, arXiv 1806.09055, section 2.1)"

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        del masks
        return torch.zeros_like(x)

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        del masks
        return graph.node("Mul", [x, graph.constant(0.0, f"{name}.zero")], name)
