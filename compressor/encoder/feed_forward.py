"""Feed-forward sub-layer: LayerNorm(x + W_2 activation(W_1 x + b_1) + b_2)."""

from collections.abc import Callable

import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Activation, Architecture

_TORCH: dict[Activation, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}
_ONNX: dict[Activation, str] = {"gelu": "Gelu", "relu": "Relu"}


class FeedForward(nn.Module):
    """[batch, length, hidden] -> the same."""

    def __init__(self, architecture: Architecture, neurons: int) -> None:
        super().__init__()
        self.activation: Activation = architecture.activation
        self.inner = nn.Linear(architecture.hidden, neurons)
        self.output = nn.Linear(neurons, architecture.hidden)
        self.norm = nn.LayerNorm(architecture.hidden, eps=architecture.norm_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """`x`: [batch, length, hidden]."""
        normed: Tensor = self.norm(x + self.output(self.features(x)))
        return normed

    def features(self, x: Tensor) -> Tensor:
        """What the output projection reads, [batch, length, neurons]."""
        return _TORCH[self.activation](self.inner(x))

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        """The same in ONNX; returns the name of the result."""
        inner = graph.linear(x, array(self.inner.weight).T, array(self.inner.bias), f"{name}.inner")
        active = graph.node(_ONNX[self.activation], [inner], f"{name}.active")
        out = graph.linear(active, array(self.output.weight).T, array(self.output.bias), f"{name}.output")
        summed = graph.node("Add", [out, x], f"{name}.residual")
        return graph.layer_norm(summed, array(self.norm.weight), array(self.norm.bias), self.norm.eps, f"{name}.norm")
