"""Classification head on the first token: W_c tanh(W_p x_0 + b_p) + b_c (BERT's pooler and classifier)."""

import torch
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture


class Head(nn.Module):
    """[batch, length >= 1, hidden] -> logits [batch, classes]; reads the first token only."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.pooler = nn.Linear(architecture.hidden, architecture.hidden)
        self.classifier = nn.Linear(architecture.hidden, architecture.classes)

    def forward(self, x: Tensor) -> Tensor:
        """`x`: [batch, length, hidden]."""
        logits: Tensor = self.classifier(torch.tanh(self.pooler(x[:, 0])))
        return logits

    def emit(self, graph: GraphBuilder, x: str) -> str:
        """The same in ONNX; returns the name of the logits."""
        first = graph.first_token(x, "head.first")
        first = graph.node("Squeeze", [first, graph.constant([1], "head.axis")], "head.token")
        pooled = graph.node("Tanh", [_gemm(graph, first, self.pooler, "pooler")], "pooled")
        return _gemm(graph, pooled, self.classifier, "logits")


def _gemm(graph: GraphBuilder, x: str, linear: nn.Linear, name: str) -> str:
    """A product on [batch, width]: one Gemm, left in float32: one row costs more to quantise than to multiply."""
    weight = graph.constant(array(linear.weight), f"{name}.weight")
    bias = graph.constant(array(linear.bias), f"{name}.bias")
    return graph.node("Gemm", [x, weight, bias], name, transB=1)
