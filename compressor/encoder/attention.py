"""Attention sub-layer: LayerNorm(x + W_o concat_h softmax(q_h k_h^T / sqrt(s) + mask) v_h + b_o).

Post-norm multi-head self-attention (Vaswani et al. 2017, eq. 1) with any number of heads of one size. Emitted with one
product for Q, K and V and the factor 1/sqrt(s) folded into the query's weights; both are exact up to rounding.

Where only the first token of the result is read there is one query per head, and products with it are cheaper than
those that make keys and values of all positions:

    q_h k_h^T = (q_h W_k,h) X^T  + a constant, which softmax drops        a_h v_h = (a_h X) W_v,h^T + b_v,h

with X [length, hidden] and a_h the weights of head h, which sum to one. Exact up to rounding; two to three times as
fast as the other form at 12 heads, length 56 (benchmarks/log.md).
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import GraphBuilder
from compressor.encoder.relative import RelativeBias
from compressor.records.architecture import Architecture


class SelfAttention(nn.Module):
    """W_o concat_h softmax(q_h k_h^T / sqrt(s) + mask) v_h + b_o, without a residual."""

    def __init__(self, architecture: Architecture, heads: int) -> None:
        super().__init__()
        hidden, inner = architecture.hidden, heads * architecture.head_size
        self.heads = heads
        self.head_size = architecture.head_size
        self.query = nn.Linear(hidden, inner)
        self.key = nn.Linear(hidden, inner)
        self.value = nn.Linear(hidden, inner)
        self.output = nn.Linear(inner, hidden)
        buckets = architecture.relative_buckets
        self.relative = RelativeBias(buckets, heads, architecture.positions) if buckets else None

    def forward(self, x: Tensor, mask: Tensor | None, *, first_token: bool = False) -> Tensor:
        """[batch, length, hidden] -> the same, or [batch, 1, hidden] with `first_token`.

        Args:
            x: [batch, length, hidden].
            mask: Additive, [batch, 1, 1, length]; None where no position is padding.
            first_token: Compute the first position only.
        """
        attended: Tensor = self.output(self.features(x, mask, first_token=first_token))
        return attended

    def features(self, x: Tensor, mask: Tensor | None, *, first_token: bool = False) -> Tensor:
        """What the output projection reads, [batch, length or 1, heads * head_size]; arguments as of `forward`."""
        if self.relative is not None:
            mask = self.relative(mask, x.shape[1], first_token=first_token)
        if first_token:
            return self._features_of_first(x, mask)
        query, key, value = self._heads(x)
        return _merged(F.scaled_dot_product_attention(query, key, value, attn_mask=mask))

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, [batch, heads, length, head_size] each."""
        return self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, self.head_size).transpose(1, 2)

    def _features_of_first(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The same of the first position, [batch, 1, heads * head_size]; mask [batch, 1 or heads, 1, length]."""
        heads, size = self.heads, self.head_size
        query = self.query(x[:, 0]).view(-1, heads, size).transpose(0, 1)
        asked = query @ self.key.weight.view(heads, size, -1)
        scores = asked.transpose(0, 1) @ x.transpose(1, 2) * size**-0.5
        weights = (scores if mask is None else scores + mask.squeeze(2)).softmax(-1)
        values = self.value.weight.view(heads, size, -1).transpose(1, 2)
        read: Tensor = (weights @ x).transpose(0, 1) @ values
        return read.transpose(0, 1).flatten(1).unsqueeze(1) + self.value.bias

    def emit(self, graph: GraphBuilder, x: str, mask: str, name: str, *, first_token: bool = False) -> str:
        """The same in ONNX; returns the name of the result."""
        return self._emit(graph, x, graph.first_token(x, f"{name}.first") if first_token else None, mask, name)

    def _emit(self, graph: GraphBuilder, x: str, first: str | None, mask: str, name: str) -> str:
        """`first`: the first token of `x` where only that is computed."""
        if self.relative is not None:
            mask = self.relative.emit(graph, mask, f"{name}.relative", first_token=first is not None)
        if first is None:
            read = self._emit_features(graph, x, mask, name)
        else:
            read = self._emit_features_of_first(graph, x, first, mask, name)
        return graph.linear(read, array(self.output.weight).T, array(self.output.bias), f"{name}.output")

    def _emit_features(self, graph: GraphBuilder, x: str, mask: str, name: str) -> str:
        query, key, value = self._emit_projections(graph, x, name)
        shape = graph.constant([0, 0, self.heads, self.head_size], f"{name}.split")

        def heads(tensor: str, order: list[int], part: str) -> str:
            split = graph.node("Reshape", [tensor, shape], f"{name}.{part}.heads")
            return graph.node("Transpose", [split], f"{name}.{part}.ordered", perm=order)

        q, k, v = heads(query, [0, 2, 1, 3], "q"), heads(key, [0, 2, 3, 1], "k"), heads(value, [0, 2, 1, 3], "v")
        scores = graph.node("Add", [graph.node("MatMul", [q, k], f"{name}.scores"), mask], f"{name}.masked")
        weights = graph.node("Softmax", [scores], f"{name}.weights", axis=-1)
        context = graph.node("MatMul", [weights, v], f"{name}.context")
        ordered = graph.node("Transpose", [context], f"{name}.context.ordered", perm=[0, 2, 1, 3])
        inner = graph.constant([0, 0, self.heads * self.head_size], f"{name}.merge")
        return graph.node("Reshape", [ordered, inner], f"{name}.merged")

    def _emit_projections(self, graph: GraphBuilder, x: str, name: str) -> list[str]:
        """Query, key and value, [batch, length, inner] each."""
        q, k, v = self._scaled_query(), (self.key.weight, self.key.bias), (self.value.weight, self.value.bias)
        weight, bias = (torch.cat(parts) for parts in zip(q, k, v, strict=True))
        joint = graph.linear(x, array(weight).T, array(bias), f"{name}.qkv")
        return graph.nodes("Split", [joint], [f"{name}.q", f"{name}.k", f"{name}.v"], axis=2, num_outputs=3)

    def _emit_features_of_first(self, graph: GraphBuilder, x: str, first: str, mask: str, name: str) -> str:
        """`_features_of_first`: its products per head are one product of all with the other heads' part at zero."""
        columns = np.kron(np.eye(self.heads), np.ones((1, self.head_size)))
        own = graph.constant(columns.astype(np.float32), f"{name}.own")
        weight, bias = self._scaled_query()
        query = graph.linear(first, array(weight).T, array(bias), f"{name}.q")
        query = graph.node("Mul", [query, own], f"{name}.q.heads")
        asked = graph.product(query, array(self.key.weight), f"{name}.asked")
        asked = graph.node("Transpose", [asked], f"{name}.asked.ordered", perm=[0, 2, 1])
        scores = graph.node("MatMul", [x, asked], f"{name}.scores")
        scores = graph.node("Transpose", [scores], f"{name}.scores.ordered", perm=[0, 2, 1])
        squeezed = graph.node("Squeeze", [mask, graph.constant([2], f"{name}.mask.axis")], f"{name}.mask")
        weights = graph.node("Softmax", [graph.node("Add", [scores, squeezed], f"{name}.masked")], f"{name}.weights")
        context = graph.node("MatMul", [weights, x], f"{name}.context")
        values = graph.linear(context, array(self.value.weight).T, array(self.value.bias), f"{name}.v")
        values = graph.node("Mul", [values, own], f"{name}.v.heads")
        return graph.node("ReduceSum", [values, graph.constant([1], f"{name}.v.axis")], f"{name}.merged")

    def _scaled_query(self) -> tuple[Tensor, Tensor]:
        scale = self.head_size**-0.5
        return self.query.weight * scale, self.query.bias * scale


class Attention(SelfAttention):
    """The sub-layer: [batch, length, hidden] -> the same, or [batch, 1, hidden] with `first_token`."""

    def __init__(self, architecture: Architecture, heads: int) -> None:
        super().__init__(architecture, heads)
        self.norm = nn.LayerNorm(architecture.hidden, eps=architecture.norm_epsilon)

    def forward(self, x: Tensor, mask: Tensor | None, *, first_token: bool = False) -> Tensor:
        """Arguments as of `SelfAttention`."""
        return self._closed(x[:, :1] if first_token else x, self.features(x, mask, first_token=first_token))

    def _closed(self, residual: Tensor, features: Tensor) -> Tensor:
        normed: Tensor = self.norm(residual + self.output(features))
        return normed

    def traced(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The sub-layer's output at all positions, and its scores in front of mask and softmax.

        Those the fast kernel of `features` does not give.

        Args:
            x: [batch, length, hidden].
            mask: Additive, [batch, 1, 1, length]; None where no position is padding.

        Returns:
            ([batch, length, hidden], [batch, heads, length, length]).
        """
        query, key, value = self._heads(x)
        scores = query @ key.transpose(-1, -2) * self.head_size**-0.5
        if self.relative is not None:
            scores = scores + self.relative(None, x.shape[1], first_token=False)
        weights = (scores if mask is None else scores + mask).softmax(-1)
        return self._closed(x, _merged(weights @ value)), scores

    def emit(self, graph: GraphBuilder, x: str, mask: str, name: str, *, first_token: bool = False) -> str:
        """The same in ONNX; returns the name of the result."""
        first = graph.first_token(x, f"{name}.first") if first_token else None
        out = self._emit(graph, x, first, mask, name)
        summed = graph.node("Add", [out, first or x], f"{name}.residual")
        return graph.layer_norm(summed, array(self.norm.weight), array(self.norm.bias), self.norm.eps, f"{name}.norm")


def _merged(context: Tensor) -> Tensor:
    """[batch, heads, length, head_size] -> [batch, length, heads * head_size]."""
    return context.transpose(1, 2).flatten(2)
