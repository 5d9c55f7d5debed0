"""From mixed edges to a stack of cells that keeps its limits, exactly.

A node keeps one or two of its edges, each with one block, and every node but the last is read by a later one: what
nobody reads is neither worth nor costs anything. A stack is worth the softmax weights of all its blocks,

    worth = cells x sum over nodes and edges of weight(edge, block) + weight(aggregation)

and the most valuable one within the limits on time and bytes is taken, of all heights. Without limits, and where every
node is read, that is what DARTS keeps: the two strongest edges of each node with their strongest blocks, six times.

Cells of identities only let no token know of another. They are the cheapest ones, so that a tight limit would choose
them; they are taken only where nothing else is within the limits.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.encoder import AGGREGATIONS, IDENTITY, NONE
from compressor.errors import InfeasibleError, TooLargeError
from compressor.records.cells import Cells, Edge, Node, read_nodes
from compressor.records.units import format_bytes
from compressor.search.base import SearchProblem, Solution
from compressor.search.cell_prices import CellPrices, Price
from compressor.search.supernet import NAMES, edges_of
from compressor.space.cells import EDGES

HEIGHTS = (6, 3, 2, 1)  # as in the paper; then fewer


class _Part(NamedTuple):
    """Some nodes of a cell: microseconds, bytes, softmax weights."""

    us: float
    size: float
    worth: float
    nodes: tuple[Node, ...]

    def and_then(self, other: "_Part") -> "_Part":
        """Both, one behind the other."""
        return _Part(self.us + other.us, self.size + other.size, self.worth + other.worth, self.nodes + other.nodes)


# By the nodes that are read, and whether a block mixes tokens.
_Parts = dict[tuple[frozenset[int], bool], list[_Part]]


@dataclass(frozen=True)
class MixedCellSearch:
    """A searcher: the most valuable stack within the limits of a problem.

    Attributes:
        edges: Softmax weights [edges, blocks].
        aggregations: Softmax weights [aggregations]; empty = every token gets an answer.
        nodes: Of the cell.
        heights: How often a cell may be stacked.
    """

    edges: NDArray[np.float64]
    aggregations: NDArray[np.float64]
    nodes: int
    heights: tuple[int, ...] = HEIGHTS

    def __call__(self, problem: SearchProblem) -> Solution:
        """The stack that is worth the most; its damage is that with the sign turned.

        Raises:
            InfeasibleError: Not even the cheapest stack is within the limits.
        """
        best = min(self._stacks(CellPrices(problem)), key=lambda solution: solution.damage, default=None)
        return cheapest_stack(problem, stacked=min(self.heights)) if best is None else best

    def strongest(self) -> tuple[Node, ...]:
        """Of every node the two strongest edges, each with its strongest block, whatever they cost."""
        nodes: list[Node] = []
        for node in range(1, self.nodes + 1):
            best = sorted(self._of_node(node), key=lambda pair: -pair[1])
            chosen: dict[int, Edge] = {}
            for edge, _ in best:
                if edge.source not in chosen and len(chosen) < EDGES:
                    chosen[edge.source] = edge
            nodes.append(tuple(chosen[source] for source in sorted(chosen)))
        return tuple(nodes)

    def _stacks(self, prices: CellPrices) -> Iterator[Solution]:
        """Of every height and aggregation the most valuable stack within the limits, where there is one."""
        problem, cells = prices.problem, self._cells(prices)
        for stacked, (name, weight) in product(self.heights, self._aggregations()):
            around = prices.around(name)
            fitting = [
                cell
                for cell in cells
                if around.us + stacked * cell.us <= problem.limit_us
                and around.size + stacked * cell.size <= problem.most_bytes
            ]
            if fitting:
                cell = max(fitting, key=lambda found: found.worth)
                found = Cells(read_nodes(cell.nodes), stacked, name)
                yield Solution((), around.us + stacked * cell.us, -(stacked * cell.worth + weight), found)

    def _aggregations(self) -> list[tuple[str | None, float]]:
        """With their weights."""
        if not len(self.aggregations):
            return [(None, 0.0)]
        return list(zip(AGGREGATIONS, map(float, self.aggregations), strict=True))

    def _of_node(self, node: int) -> list[tuple[Edge, float]]:
        """Every edge with every block, and its weight."""
        return [
            (Edge(source, name), float(self.edges[number, place]))
            for number, (source, target) in enumerate(edges_of(self.nodes))
            if target == node
            for place, name in enumerate(NAMES)
            if name != NONE
        ]

    def _cells(self, prices: CellPrices) -> list[_Part]:
        """Cells that mix tokens and that no other one beats in time, bytes and worth at once."""
        return _undominated(
            cell
            for count in range(self.nodes)
            for kept in combinations(range(1, self.nodes), count)
            for cell in self._with_nodes(prices, (*kept, self.nodes))
        )

    def _with_nodes(self, prices: CellPrices, kept: tuple[int, ...]) -> Iterator[_Part]:
        """The same with just these nodes, every one but the last read by another; the others are empty."""
        partial: _Parts = {(frozenset(), False): [_Part(0.0, 0.0, 0.0, ())]}
        for node in kept:
            options = self._options(prices, node, {0, *kept})
            grown: _Parts = defaultdict(list)
            for (read, mixes), parts in partial.items():
                for (more, mixes_too), nodes in options.items():
                    grown[read | more, mixes or mixes_too] += _joined(parts, nodes, prices.problem)
            partial = {key: _undominated(parts) for key, parts in grown.items()}
        for cell in partial.get((frozenset(kept[:-1]), True), []):
            nodes_of = dict(zip(kept, cell.nodes, strict=True))
            yield cell._replace(nodes=tuple(nodes_of.get(node, ()) for node in range(1, self.nodes + 1)))

    def _options(self, prices: CellPrices, node: int, states: set[int]) -> _Parts:
        """What a node may be: one edge, or two from different states."""
        edges = [(edge, weight) for edge, weight in self._of_node(node) if edge.source in states]
        found: _Parts = defaultdict(list)
        for count in range(1, EDGES + 1):
            for chosen in combinations(edges, count):
                option = tuple(edge for edge, _ in chosen)
                sources = {edge.source for edge in option}
                if len(sources) == count:
                    price, worth = prices.node(option), sum(weight for _, weight in chosen)
                    mixes = any(edge.block != IDENTITY for edge in option)
                    found[frozenset(sources - {0}), mixes].append(_Part(price.us, price.size, worth, (option,)))
        return {key: _undominated(parts) for key, parts in found.items()}


def cheapest_stack(problem: SearchProblem, *, stacked: int = 1) -> Solution:
    """The fastest stack that there is, of cells that hand on what they read: its damage is 0, as it is worth nothing.

    Args:
        problem: Names the limits; what is in its layers does not matter.
        stacked: Cells.

    Raises:
        InfeasibleError: Not even this is within the limit on time.
        TooLargeError: It is, and has too many bytes.
    """
    prices, cell = CellPrices(problem), ((Edge(0, IDENTITY),),)
    names: tuple[str | None, ...] = (None,) if problem.source.per_token else tuple(AGGREGATIONS)
    every = [(_stacked(prices, cell, stacked, name), Cells(cell, stacked, name)) for name in names]
    fast = [pair for pair in every if pair[0].us <= problem.limit_us]
    small = [pair for pair in fast if pair[0].size <= problem.most_bytes]
    if not fast:
        raise _too_slow(problem, min(price.us for price, _ in every) / 1e3)
    if not small:
        raise _too_large(problem, min(price.size for price, _ in fast))
    price, cells = min(small, key=lambda pair: pair[0].us)
    return Solution((), price.us, 0.0, cells)


def _stacked(prices: CellPrices, nodes: tuple[Node, ...], stacked: int, aggregation: str | None) -> Price:
    cell = sum(map(prices.node, nodes), Price(0.0))
    return prices.around(aggregation) + Price(stacked * cell.us, stacked * cell.size)


def _too_slow(problem: SearchProblem, nearest_ms: float) -> InfeasibleError:
    return InfeasibleError(
        f"no stack of cells runs within {problem.limit_us / 1e3:.4g} ms here; the cheapest one takes "
        f"{nearest_ms:.4g} ms",
        nearest_ms=nearest_ms,
        cost="nearly everything that the teacher knows: one cell with one block is left",
    )


def _too_large(problem: SearchProblem, smallest: float) -> TooLargeError:
    return TooLargeError(
        f"no stack of cells within {problem.limit_us / 1e3:.4g} ms is small enough: it has at least "
        f"{format_bytes(round(smallest))} of weights, and there is room for "
        f"{format_bytes(max(0, round(problem.most_bytes)))}",
        missing_bytes=round(smallest - problem.most_bytes),
    )


def _joined(parts: Sequence[_Part], nodes: Sequence[_Part], problem: SearchProblem) -> Iterator[_Part]:
    """Every part with every node, as far as they are within the limits together."""
    for part, node in product(parts, nodes):
        if part.us + node.us <= problem.limit_us and part.size + node.size <= problem.most_bytes:
            yield part.and_then(node)


def _undominated(parts: Iterable[_Part]) -> list[_Part]:
    """Those that none is worth as much as at no more time and bytes, by rising time."""
    kept: list[_Part] = []
    steps: list[tuple[float, float]] = []  # bytes and worth of what was kept, the best of each size; both rise
    for part in sorted(parts, key=lambda found: (found.us, found.size, -found.worth)):
        place = bisect_right(steps, (part.size, math.inf))
        if place and steps[place - 1][1] >= part.worth:
            continue
        end = place
        while end < len(steps) and steps[end][1] <= part.worth:
            end += 1
        steps[place:end] = [(part.size, part.worth)]
        kept.append(part)
    return kept
