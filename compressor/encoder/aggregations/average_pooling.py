"""Average pooling: the mean of all tokens; of a row without any, 0."""

from torch import Tensor

from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder


class AveragePooling(Block):
    """[batch, length, width] -> [batch, 1, width]."""

    source = "Iyyer et al. 2015 (deep averaging networks), ACL P15-1162, section 3"

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        return (x * masks.real).sum(1, keepdim=True) / masks.real.sum(1, keepdim=True).clamp(min=1)

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        axis = graph.constant([1], f"{name}.axis")
        total = graph.node("ReduceSum", [graph.node("Mul", [x, masks.real], f"{name}.tokens"), axis], f"{name}.sum")
        count = graph.node("ReduceSum", [masks.real, axis], f"{name}.count")
        least = graph.node("Max", [count, graph.constant(1.0, f"{name}.one")], f"{name}.least")
        return graph.node("Div", [total, least], name)
