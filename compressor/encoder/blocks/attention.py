"""Multi-head self-attention with 4 or 8 heads, the whole width over them; no residual, no norm."""

from dataclasses import replace

from torch import Tensor

from compressor.encoder.attention import SelfAttention
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.errors import InputError
from compressor.records.architecture import Architecture


class HeadsBlock(Block):
    """W_o concat_h softmax(q_h k_h^T / sqrt(s) + mask) v_h + b_o with s = width / heads.

    Raises:
        InputError: The heads do not divide the width.
    """

    source = "Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2"

    def __init__(self, architecture: Architecture, *, heads: int) -> None:
        super().__init__(architecture)
        if self.width % heads:
            raise InputError(f"attention with {heads} heads: expected a width that they divide, got {self.width}")
        shape = replace(architecture, head_size=self.width // heads, relative_buckets=0)
        self.attention = SelfAttention(shape, heads)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        attended: Tensor = self.attention(x, masks.additive)
        return attended

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        return self.attention.emit(graph, x, masks.additive, name)
