"""The first token, which BERT puts in front of every text."""

from torch import Tensor

from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder


class FirstToken(Block):
    """[batch, length, width] -> [batch, 1, width]."""

    source = "Devlin et al. 2019, arXiv 1810.04805, section 3"

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        del masks
        return x[:, :1]

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        del masks
        return graph.first_token(x, name)
