"""Dynamic routing: the tokens vote for one capsule, and those that agree with it count more, three times.

    u_i = W x_i,  b_i = 0;  three times:  c = softmax over the tokens of b,  v = squash(sum_i c_i u_i),  b_i += u_i v

with squash(s) = |s|^2 / (1 + |s|^2) s / |s|. The last update of b has no reader and is left out.
"""

import torch
from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture

ITERATIONS = 3
TINY = 1e-6  # below the root, so that it has a slope at 0


class DynamicRouting(Block):
    """[batch, length, width] -> [batch, 1, width]."""

    source = "Gong et al. 2018, arXiv 1806.01501, algorithm 1, with one output capsule; squash of Sabour et al. 2017"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.votes = nn.Linear(self.width, self.width, bias=False)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        # The check against double precision hands on masks that were made for float32.
        votes, mask = self.votes(x), masks.additive[:, 0].to(x.dtype)
        agreement = torch.zeros_like(mask)  # [batch, 1, length]
        for iteration in range(ITERATIONS):
            capsule = squash((agreement + mask).softmax(-1) @ votes)
            if iteration < ITERATIONS - 1:
                agreement = agreement + capsule @ votes.transpose(1, 2)
        return capsule

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        votes = graph.product(x, array(self.votes.weight).T, f"{name}.votes")
        columns = graph.node("Transpose", [votes], f"{name}.columns", perm=[0, 2, 1])
        agreement = graph.node("Squeeze", [masks.additive, graph.constant([1], f"{name}.axis")], f"{name}.mask")
        for iteration in range(ITERATIONS - 1):
            part = f"{name}.{iteration}"
            capsule = self._emit_capsule(graph, agreement, votes, part, f"{part}.capsule")
            agreed = graph.node("MatMul", [capsule, columns], f"{part}.agreed")
            agreement = graph.node("Add", [agreement, agreed], f"{part}.agreement")
        return self._emit_capsule(graph, agreement, votes, f"{name}.last", name)

    def _emit_capsule(self, graph: GraphBuilder, agreement: str, votes: str, part: str, name: str) -> str:
        weights = graph.node("Softmax", [agreement], f"{part}.weights")
        return _emit_squash(graph, graph.node("MatMul", [weights, votes], f"{part}.sum"), part, name)


def squash(s: Tensor) -> Tensor:
    """Length to |s|^2 / (1 + |s|^2), direction as it is; over the last axis."""
    square = s.square().sum(-1, keepdim=True)
    return s * (square + TINY).sqrt() / (1 + square)


def _emit_squash(graph: GraphBuilder, s: str, part: str, name: str) -> str:
    square = graph.node("ReduceSumSquare", [s, graph.constant([-1], f"{part}.axis")], f"{part}.square")
    safe = graph.node("Add", [square, graph.constant(TINY, f"{part}.tiny")], f"{part}.safe")
    whole = graph.node("Add", [square, graph.constant(1.0, f"{part}.one")], f"{part}.whole")
    factor = graph.node("Div", [graph.node("Sqrt", [safe], f"{part}.root"), whole], f"{part}.factor")
    return graph.node("Mul", [s, factor], name)
