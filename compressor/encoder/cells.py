"""A stack of cells in the place of layers: torch and ONNX; see `compressor.records.cells`."""

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from compressor.encoder.aggregations import AGGREGATIONS
from compressor.encoder.arrays import array
from compressor.encoder.blocks import BLOCKS, NONE, Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.errors import InputError
from compressor.records.architecture import Architecture
from compressor.records.cells import Cells, Node
from compressor.records.suggestion import did_you_mean

Maker = Callable[[Architecture], Block]
EVERY: dict[str, Maker] = {**BLOCKS, **AGGREGATIONS}
# An edge that brings nothing is left out of a cell.
OF_CELLS = {name: make for name, make in BLOCKS.items() if name != NONE}


def make_block(name: str, architecture: Architecture, among: Mapping[str, Maker] = EVERY) -> Block:
    """A block or an aggregation with random weights.

    Args:
        name: Which.
        architecture: Of the student that it is for.
        among: What may stand in its place.

    Raises:
        InputError: There is none of that name in such a place; or it cannot have that width.
    """
    if name not in among:
        raise InputError(f"expected one of {', '.join(among)}, got {name!r}{did_you_mean(name, among)}")
    return among[name](architecture)


class Join(nn.Module):
    """A node: norm(sum of what its edges bring)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(architecture.hidden, eps=architecture.norm_epsilon)

    def forward(self, brought: list[Tensor]) -> Tensor:
        """Each [batch, length, hidden], at least one."""
        normed: Tensor = self.norm(sum(brought[1:], brought[0]))
        return normed

    def emit(self, graph: GraphBuilder, brought: list[str], name: str) -> str:
        """The same in ONNX; returns the name of the result."""
        total = brought[0]
        for number, other in enumerate(brought[1:], 1):
            total = graph.node("Add", [total, other], f"{name}.sum{number}")
        return graph.layer_norm(total, array(self.norm.weight), array(self.norm.bias), self.norm.eps, f"{name}.norm")


class Cell(nn.Module):
    """[batch, length, hidden] -> the same."""

    def __init__(self, architecture: Architecture, nodes: tuple[Node, ...]) -> None:
        super().__init__()
        self.nodes = nodes
        self.blocks = nn.ModuleList(
            nn.ModuleList(make_block(edge.block, architecture, OF_CELLS) for edge in node) for node in nodes
        )
        self.joins = nn.ModuleList(Join(architecture) for _ in nodes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask`: int64 [batch, length], 1 = token."""
        masks, states = Masks(mask, x.dtype), [x]
        for node, blocks, join in zip(self.nodes, self.blocks, self.joins, strict=True):
            pairs = zip(node, cast(nn.ModuleList, blocks), strict=True)
            states.append(join([block(states[edge.source], masks) for edge, block in pairs]))
        return states[-1]

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """The same in ONNX; returns the name of the result, which is that of the last norm."""
        states = [x]
        for number, node in enumerate(self.nodes, 1):
            brought = [
                self.block(number, place).emit(
                    graph, states[edge.source], masks, f"{name}.{number}.{place}.{edge.block}"
                )
                for place, edge in enumerate(node)
            ]
            states.append(cast(Join, self.joins[number - 1]).emit(graph, brought, f"{name}.{number}"))
        return states[-1]

    def block(self, number: int, place: int) -> Block:
        """Of an edge: its node, from 1, and its place there."""
        return cast(Block, cast(nn.ModuleList, self.blocks[number - 1])[place])


class CellStack(nn.Module):
    """Cells one after the other, and the aggregation: [batch, length, hidden] -> [batch, 1, hidden], or all tokens."""

    def __init__(self, architecture: Architecture, cells: Cells) -> None:
        super().__init__()
        self.cells = nn.ModuleList(Cell(architecture, cells.nodes) for _ in range(cells.stacked))
        name = cells.aggregation
        self.aggregation = make_block(name, architecture, AGGREGATIONS) if name else None

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask`: int64 [batch, length], 1 = token."""
        return self.aggregated(self.states(x, mask)[-1], mask)

    def states(self, x: Tensor, mask: Tensor) -> list[Tensor]:
        """What enters the first cell and what leaves each, [batch, length, hidden]."""
        states = [x]
        for cell in self.cells:
            states.append(cell(states[-1], mask))
        return states

    def aggregated(self, x: Tensor, mask: Tensor) -> Tensor:
        """[batch, 1, hidden]; as it is where every token gets an answer."""
        return x if self.aggregation is None else self.aggregation(x, Masks(mask, x.dtype))

    def emit(self, graph: GraphBuilder, x: str, mask: str) -> str:
        """The same in ONNX; `mask` is the int64 input. Returns the name of the result."""
        masks = MaskNames(graph, mask)
        for number, cell in enumerate(self.cells):
            x = cast(Cell, cell).emit(graph, x, masks, f"cell{number}")
        return x if self.aggregation is None else self.aggregation.emit(graph, x, masks, "aggregation")
