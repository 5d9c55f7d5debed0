"""From mixed edges to a cell that keeps a limit, exactly.

A node keeps one or two of its edges, each with one block; an edge is worth the softmax weight of that. DARTS keeps
the two strongest edges of each node with their strongest blocks, whatever they cost: that cell is taken where it keeps
the limit, stacked six or three times. Where it does not, the most valuable cell that does is found among the
combinations of nodes, of which only those are looked at that no cheaper one beats.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from compressor.encoder import AGGREGATIONS, IDENTITY, NONE
from compressor.errors import InfeasibleError
from compressor.latency.ops import block_op, join_op, stem_op
from compressor.records.cells import Cells, Edge, Node, read_nodes
from compressor.search.base import SearchProblem, Solution
from compressor.search.supernet import NAMES, edges_of
from compressor.space.cells import EDGES

STACKED = (6, 3)  # as in the paper; then fewer
FEWER = (3, 2, 1)

T = TypeVar("T")


@dataclass(frozen=True)
class MixedCellSearch:
    """A searcher: the most valuable cell within the limit of a problem.

    Attributes:
        edges: Softmax weights [edges, blocks].
        aggregations: Softmax weights [aggregations]; empty = every token gets an answer.
        nodes: Of the cell.
    """

    edges: NDArray[np.float64]
    aggregations: NDArray[np.float64]
    nodes: int

    def __call__(self, problem: SearchProblem) -> Solution:
        """The stack with the most weight, as damage with the sign turned.

        Raises:
            InfeasibleError: Not even the cheapest cell keeps the limit.
        """
        costs = _Costs(problem)
        aggregations = self._aggregations(costs)
        strongest, first = self.strongest(), aggregations[0][0]
        for stacked in STACKED:
            solution = self._solution(costs, strongest, stacked, first)
            if solution.cost_us <= problem.limit_us:
                return solution
        for stacked in FEWER:
            for name, _ in aggregations:
                nodes = self._within(costs, (problem.limit_us - costs.around(name)) / stacked)
                if nodes is not None:
                    return self._solution(costs, nodes, stacked, name)
        raise self._infeasible(costs, problem.limit_us)

    def _aggregations(self, costs: "_Costs") -> list[tuple[str | None, float]]:
        """By falling weight, with their costs."""
        if not len(self.aggregations):
            return [(None, 0.0)]
        names = [list(AGGREGATIONS)[place] for place in np.argsort(-self.aggregations)]
        return [(name, costs.block(name)) for name in names]

    def strongest(self) -> tuple[Node, ...]:
        """Of every node the two strongest edges, each with its strongest block."""
        nodes: list[Node] = []
        for node in range(1, self.nodes + 1):
            best = sorted(self._of_node(node), key=lambda pair: -pair[1])
            chosen: dict[int, Edge] = {}
            for edge, _ in best:
                if edge.source not in chosen and len(chosen) < EDGES:
                    chosen[edge.source] = edge
            nodes.append(tuple(chosen[source] for source in sorted(chosen)))
        return tuple(nodes)

    def _of_node(self, node: int) -> list[tuple[Edge, float]]:
        """Every edge with every block, and its weight."""
        return [
            (Edge(source, name), float(self.edges[number, place]))
            for number, (source, target) in enumerate(edges_of(self.nodes))
            if target == node
            for place, name in enumerate(NAMES)
            if name != NONE
        ]

    def _within(self, costs: "_Costs", limit_us: float) -> tuple[Node, ...] | None:
        """The most valuable nodes whose summed cost is at most the limit; none of a node that is left out."""
        others = range(1, self.nodes)
        found = (
            self._with_nodes(costs, limit_us, {0, *kept, self.nodes})
            for count in range(self.nodes)
            for kept in combinations(others, count)
        )
        best = max((each for each in found if each is not None), key=lambda pair: pair[0], default=None)
        return best[1] if best else None

    def _with_nodes(self, costs: "_Costs", limit_us: float, states: set[int]) -> tuple[float, tuple[Node, ...]] | None:
        """The same with just these states: what they are worth, and the nodes."""
        partial: list[tuple[float, float, tuple[Node, ...]]] = [(0.0, 0.0, ())]
        for node in range(1, self.nodes + 1):
            options = _undominated(self._options(costs, node, states)) if node in states else [(0.0, 0.0, ())]
            grown = (
                (cost + more, worth + gain, (*nodes, option))
                for cost, worth, nodes in partial
                for more, gain, option in options
                if cost + more <= limit_us
            )
            partial = _undominated(grown)
        _, worth, nodes = max(partial, key=lambda found: found[1], default=(0.0, 0.0, None))
        return None if nodes is None else (worth, nodes)

    def _options(self, costs: "_Costs", node: int, states: set[int]) -> Iterator[tuple[float, float, Node]]:
        """(cost, worth, edges) of a node: one edge, or two from different states."""
        edges = [(edge, weight) for edge, weight in self._of_node(node) if edge.source in states]
        for count in range(1, EDGES + 1):
            for chosen in combinations(edges, count):
                found = tuple(edge for edge, _ in chosen)
                if len({edge.source for edge in found}) == count:
                    yield costs.node(found), sum(weight for _, weight in chosen), found

    def _solution(self, costs: "_Costs", nodes: tuple[Node, ...], stacked: int, aggregation: str | None) -> Solution:
        worth = sum(
            weight for number, node in enumerate(nodes, 1) for edge, weight in self._of_node(number) if edge in node
        )
        cells = Cells(read_nodes(nodes), stacked, aggregation)
        return Solution((), costs.whole(cells), -worth, cells)

    def _infeasible(self, costs: "_Costs", limit_us: float) -> InfeasibleError:
        cheapest = min(costs.node((Edge(0, name),)) for name in NAMES if name != NONE)
        around = min(costs.around(name) for name, _ in self._aggregations(costs))
        nearest_ms = (around + cheapest) / 1e3
        return InfeasibleError(
            f"no stack of cells runs within {limit_us / 1e3:.4g} ms here; the cheapest one takes {nearest_ms:.4g} ms",
            nearest_ms=nearest_ms,
            cost="nearly everything that the teacher knows: one cell with one block is left",
        )


class _Costs:
    """Of the parts of a stack, in microseconds."""

    def __init__(self, problem: SearchProblem) -> None:
        self._problem, self._shape, self._precision = problem, problem.source, problem.table.precision

    def block(self, name: str) -> float:
        if name == IDENTITY:
            return 0.0
        return self._problem.cost_us(block_op(self._shape, name, self._precision))

    def node(self, edges: Sequence[Edge]) -> float:
        join = self._problem.cost_us(join_op(self._shape, len(edges), self._precision))
        return join + sum(self.block(edge.block) for edge in edges)

    def around(self, aggregation: str | None) -> float:
        stem = self._problem.cost_us(stem_op(self._shape, self._precision))
        return stem + (self.block(aggregation) if aggregation else 0.0)

    def whole(self, cells: Cells) -> float:
        return self.around(cells.aggregation) + cells.stacked * sum(self.node(node) for node in cells.nodes)


def _undominated(options: Iterable[tuple[float, float, T]]) -> list[tuple[float, float, T]]:
    """Those that none that costs as little is worth as much as, by rising cost."""
    kept: list[tuple[float, float, T]] = []
    for option in sorted(options, key=lambda found: (found[0], -found[1])):
        if not kept or option[1] > kept[-1][1]:
            kept.append(option)
    return kept
