"""Identity: the edge hands on what it reads; with others of its node it is a residual connection."""

from torch import Tensor

from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder


class Identity(Block):
    """x -> x; takes no time."""

    source = "skip connection of DARTS (Liu et al. 2019, arXiv 1806.09055, section 3.1.1)"

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        del masks
        return x

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`; no node."""
        del graph, masks, name
        return x
