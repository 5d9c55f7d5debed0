"""Classification heads, on the first token and on every token.

    first token:  W_c activation(W_p x_0 + b_p) + b_c
    every token:  W_c x_i + b_c

Of the first, tanh is BERT's pooler and classifier, and RoBERTa's and MPNet's head; relu is DistilBERT's, gelu is
ELECTRA's.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture, HeadActivation

_TORCH: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": F.relu, "gelu": F.gelu}
_ONNX = {"tanh": "Tanh", "relu": "Relu", "gelu": "Gelu"}


class Head(nn.Module):
    """[batch, length >= 1, hidden] -> logits [batch, classes]; reads the first token only."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.activation: HeadActivation = architecture.head_activation
        self.pooler = nn.Linear(architecture.hidden, architecture.hidden)
        self.classifier = nn.Linear(architecture.hidden, architecture.classes)

    def forward(self, x: Tensor) -> Tensor:
        """`x`: [batch, length, hidden]."""
        logits: Tensor = self.classifier(_TORCH[self.activation](self.pooler(x[:, 0])))
        return logits

    def emit(self, graph: GraphBuilder, x: str) -> str:
        """The same in ONNX; returns the name of the logits."""
        first = graph.first_token(x, "head.first")
        first = graph.node("Squeeze", [first, graph.constant([1], "head.axis")], "head.token")
        pooled = graph.node(_ONNX[self.activation], [_gemm(graph, first, self.pooler, "pooler")], "pooled")
        return _gemm(graph, pooled, self.classifier, "logits")


class TokenHead(nn.Module):
    """[batch, length, hidden] -> logits [batch, length, classes]: one product, the same in all families.

    Emitted as one that the precision passes quantise: in int8 it was measured as faster than left in float32 at every
    length and number of classes (benchmarks/log.md).
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.classifier = nn.Linear(architecture.hidden, architecture.classes)

    def forward(self, x: Tensor) -> Tensor:
        """`x`: [batch, length, hidden]."""
        logits: Tensor = self.classifier(x)
        return logits

    def emit(self, graph: GraphBuilder, x: str) -> str:
        """The same in ONNX; returns the name of the logits."""
        return graph.linear(x, array(self.classifier.weight).T, array(self.classifier.bias), "logits")


def drop_padding(outputs: Tensor, mask: Tensor) -> Tensor:
    """Outputs of the real tokens [tokens, classes], row after row; outputs [batch, classes] stay as they are.

    Args:
        outputs: Of an encoder, [batch, classes] or [batch, length, classes].
        mask: int64 [batch, length], 1 = token.
    """
    return outputs[mask.bool()] if outputs.dim() == 3 else outputs


def _gemm(graph: GraphBuilder, x: str, linear: nn.Linear, name: str) -> str:
    """A product on [batch, width]: one Gemm, left in float32: one row costs more to quantise than to multiply."""
    weight = graph.constant(array(linear.weight), f"{name}.weight")
    bias = graph.constant(array(linear.bias), f"{name}.bias")
    return graph.node("Gemm", [x, weight, bias], name, transB=1)
