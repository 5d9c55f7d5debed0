"""What the parts of a stack of cells cost: one list for mixed edges, and for the stacks that come of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.encoder import AGGREGATIONS, IDENTITY, NONE
from compressor.latency.ops import block_op, join_op, stem_op
from compressor.records.architecture import OpKey
from compressor.records.cells import Node
from compressor.search.base import SearchProblem
from compressor.search.supernet import NAMES
from compressor.space.cells import EDGES


@dataclass(frozen=True)
class Price:
    """Microseconds, and bytes of weights; the latter are 0 where they are not limited."""

    us: float
    size: float = 0.0

    def __add__(self, other: "Price") -> "Price":
        return Price(self.us + other.us, self.size + other.size)


class CellPrices:
    """Prices under a problem.

    Args:
        problem: Names space and table, how much of the weights comes from main memory, and the limits.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self.problem = problem
        self._shape, self._precision = problem.source, problem.table.precision
        self._weighed = problem.most_bytes < math.inf

    def block(self, name: str) -> Price:
        """Of a block or an aggregation; what computes nothing costs nothing."""
        if name in (IDENTITY, NONE):
            return Price(0.0)
        return self._of(block_op(self._shape, name, self._precision))

    def join(self, edges: int) -> Price:
        """Of the sum and the norm of a node."""
        return self._of(join_op(self._shape, edges, self._precision))

    def node(self, node: Node) -> Price:
        """Of a node with its edges."""
        return sum((self.block(edge.block) for edge in node), self.join(len(node)))

    def around(self, aggregation: str | None) -> Price:
        """Of the stem, whose bytes are no layer's, and the aggregation."""
        stem = Price(self.problem.cost_us(stem_op(self._shape, self._precision)))
        return stem if aggregation is None else stem + self.block(aggregation)

    def _of(self, op: OpKey) -> Price:
        size = float(self.problem.table.entry(op).weight_bytes) if self._weighed else 0.0
        return Price(self.problem.cost_us(op), size)


def expected_share(problem: SearchProblem, *, nodes: int, stacked: int) -> Callable[[Tensor, Tensor], Tensor]:
    """What share of a limit cells with mixed edges take, as a function of the mixture.

    Args:
        problem: Names the costs, and the limit on their sum.
        nodes: Of a cell.
        stacked: Cells.

    Returns:
        (weights of the edges [edges, blocks], of the aggregations) -> a scalar, with a gradient:

            (stem + aggregations + cells x (sum over edges and blocks of weight x cost + joins of the nodes)) / limit

        A node's join is that of as many edges as it keeps at most.
    """
    prices = CellPrices(problem)
    aggregations = () if problem.source.per_token else tuple(AGGREGATIONS)
    of_blocks, of_aggregations = (
        torch.tensor([prices.block(name).us for name in names]) for names in (NAMES, aggregations)
    )
    joins = sum(prices.join(min(node, EDGES)).us for node in range(1, nodes + 1))
    rest = prices.around(None).us + stacked * joins

    def share(edges: Tensor, weights: Tensor) -> Tensor:
        mixed = stacked * (edges @ of_blocks).sum() + weights @ of_aggregations + rest
        return mixed / problem.limit_us

    return share
