"""A student that was searched from scratch: a stack of equal cells, each a small graph of blocks.

    state 0 = what enters the cell;   state i = norm(sum over the edges of node i of block(state of its source))

The last node's state leaves the cell. After the last cell the tokens are aggregated to one vector, unless every token
gets an answer.
"""

from dataclasses import dataclass

from compressor.errors import BorderError


@dataclass(frozen=True)
class Edge:
    """`Edge(0, "conv-3")`: a block and the state that it reads."""

    source: int
    block: str


Node = tuple[Edge, ...]
# Blocks that compute nothing: what enters leaves, or nothing leaves.
IDENTITY, NONE = "identity", "none"


@dataclass(frozen=True)
class Cells:
    """What stands in the place of layers.

    Attributes:
        nodes: Of each cell; node i (from 1) reads states below i.
        stacked: How many cells.
        aggregation: Of the tokens; None = every token gets an answer.
    """

    nodes: tuple[Node, ...]
    stacked: int
    aggregation: str | None

    def __str__(self) -> str:
        """`3 x [conv-3(0) + identity(0) | lstm(1)], max-pooling`: the nodes with the states that they read."""
        nodes = (" + ".join(f"{edge.block}({edge.source})" for edge in node) for node in self.nodes)
        behind = f", {self.aggregation}" if self.aggregation else ""
        return f"{self.stacked} x [{' | '.join(nodes)}]{behind}"


def check_cells(cells: Cells) -> Cells:
    """Border check: at least one cell, no node without an edge, every edge reads what is before it."""
    if cells.stacked < 1 or not cells.nodes:
        raise BorderError(f"a stack needs a cell with a node, got {cells}")
    for number, node in enumerate(cells.nodes, 1):
        if not node or any(not 0 <= edge.source < number for edge in node) or len(set(node)) < len(node):
            raise BorderError(
                f"node {number} must read states below {number}, each block of one at most once: {cells}"
            )
    return cells


def read_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The nodes that the last one reads, directly or not, numbered anew; the others have no reader."""
    needed, stack = {len(nodes)}, [len(nodes)]
    while stack:
        for edge in nodes[stack.pop() - 1]:
            if edge.source and edge.source not in needed:
                needed.add(edge.source)
                stack.append(edge.source)
    number = {old: new for new, old in enumerate(sorted(needed), 1)} | {0: 0}
    return tuple(tuple(Edge(number[e.source], e.block) for e in nodes[old - 1]) for old in sorted(needed))
