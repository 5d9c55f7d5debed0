"""Attention sub-layer: LayerNorm(x + W_o concat_h softmax(q_h k_h^T / sqrt(s) + mask) v_h + b_o).

Post-norm multi-head self-attention (Vaswani et al. 2017, eq. 1) with any number of heads of one size. Emitted with one
product for Q, K and V and the factor 1/sqrt(s) folded into the query's weights; both are exact up to rounding. Where
only the first token of the result is read, only its query is computed.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.graph import GraphBuilder
from compressor.encoder.relative import RelativeBias
from compressor.records.architecture import Architecture


class Attention(nn.Module):
    """[batch, length, hidden] -> the same, or [batch, 1, hidden] with `first_token`."""

    def __init__(self, architecture: Architecture, heads: int) -> None:
        super().__init__()
        hidden, inner = architecture.hidden, heads * architecture.head_size
        self.heads = heads
        self.head_size = architecture.head_size
        self.query = nn.Linear(hidden, inner)
        self.key = nn.Linear(hidden, inner)
        self.value = nn.Linear(hidden, inner)
        self.output = nn.Linear(inner, hidden)
        self.norm = nn.LayerNorm(hidden, eps=architecture.norm_epsilon)
        buckets = architecture.relative_buckets
        self.relative = RelativeBias(buckets, heads, architecture.positions) if buckets else None

    def forward(self, x: Tensor, mask: Tensor | None, *, first_token: bool = False) -> Tensor:
        """One sub-layer.

        Args:
            x: [batch, length, hidden].
            mask: Additive, [batch, 1, 1, length]; None where no position is padding.
            first_token: Compute the first position only.
        """
        residual = x[:, :1] if first_token else x
        normed: Tensor = self.norm(residual + self.output(self.features(x, mask, first_token=first_token)))
        return normed

    def features(self, x: Tensor, mask: Tensor | None, *, first_token: bool = False) -> Tensor:
        """What the output projection reads, [batch, length or 1, heads * head_size]; arguments as of `forward`."""
        read = x[:, :1] if first_token else x
        q, k, v = self._split(self.query(read)), self._split(self.key(x)), self._split(self.value(x))
        if self.relative is not None:
            mask = self.relative(mask, x.shape[1], first_token=first_token)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return context.transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, self.head_size).transpose(1, 2)

    def emit(self, graph: GraphBuilder, x: str, mask: str, name: str, *, first_token: bool = False) -> str:
        """The same in ONNX; returns the name of the result."""
        query, key, value, residual = self._emit_projections(graph, x, name, first_token=first_token)
        shape = graph.constant([0, 0, self.heads, self.head_size], f"{name}.split")

        def heads(tensor: str, order: list[int], part: str) -> str:
            split = graph.node("Reshape", [tensor, shape], f"{name}.{part}.heads")
            return graph.node("Transpose", [split], f"{name}.{part}.ordered", perm=order)

        q, k, v = heads(query, [0, 2, 1, 3], "q"), heads(key, [0, 2, 3, 1], "k"), heads(value, [0, 2, 1, 3], "v")
        if self.relative is not None:
            mask = self.relative.emit(graph, mask, f"{name}.relative", first_token=first_token)
        scores = graph.node("Add", [graph.node("MatMul", [q, k], f"{name}.scores"), mask], f"{name}.masked")
        weights = graph.node("Softmax", [scores], f"{name}.weights", axis=-1)
        context = graph.node("MatMul", [weights, v], f"{name}.context")
        ordered = graph.node("Transpose", [context], f"{name}.context.ordered", perm=[0, 2, 1, 3])
        inner = graph.constant([0, 0, self.heads * self.head_size], f"{name}.merge")
        merged = graph.node("Reshape", [ordered, inner], f"{name}.merged")
        out = graph.linear(merged, array(self.output.weight).T, array(self.output.bias), f"{name}.output")
        summed = graph.node("Add", [out, residual], f"{name}.residual")
        return graph.layer_norm(summed, array(self.norm.weight), array(self.norm.bias), self.norm.eps, f"{name}.norm")

    def _emit_projections(
        self, graph: GraphBuilder, x: str, name: str, *, first_token: bool
    ) -> tuple[str, str, str, str]:
        """Query, key, value [batch, length or 1, inner] and the residual."""
        scale = self.head_size**-0.5
        q = (self.query.weight * scale, self.query.bias * scale)
        k, v = (self.key.weight, self.key.bias), (self.value.weight, self.value.bias)
        if not first_token:
            weight, bias = (torch.cat(parts) for parts in zip(q, k, v, strict=True))
            joint = graph.linear(x, array(weight).T, array(bias), f"{name}.qkv")
            query, key, value = graph.nodes(
                "Split", [joint], [f"{name}.q", f"{name}.k", f"{name}.v"], axis=2, num_outputs=3
            )
            return query, key, value, x
        residual = graph.first_token(x, f"{name}.first")
        weight, bias = (torch.cat(parts) for parts in zip(k, v, strict=True))
        joint = graph.linear(x, array(weight).T, array(bias), f"{name}.kv")
        key, value = graph.nodes("Split", [joint], [f"{name}.k", f"{name}.v"], axis=2, num_outputs=2)
        return graph.linear(residual, array(q[0]).T, array(q[1]), f"{name}.q"), key, value, residual
