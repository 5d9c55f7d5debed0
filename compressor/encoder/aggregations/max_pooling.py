"""Max pooling: of every channel the largest value of all tokens."""

from torch import Tensor

from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder

FAR = 1e4  # added to what is padding, downwards


class MaxPooling(Block):
    """[batch, length, width] -> [batch, 1, width]."""

    source = "Collobert et al. 2011, JMLR 12, section 3.3.2"

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        return (x + (masks.real - 1) * FAR).amax(1, keepdim=True)

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        padding = graph.node("Sub", [masks.real, graph.constant(1.0, f"{name}.one")], f"{name}.padding")
        far = graph.node("Mul", [padding, graph.constant(FAR, f"{name}.far")], f"{name}.below")
        shifted = graph.node("Add", [x, far], f"{name}.tokens")
        return graph.node("ReduceMax", [shifted, graph.constant([1], f"{name}.axis")], name, keepdims=1)
