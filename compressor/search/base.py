"""What a search is given and what it gives back."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from compressor.latency import operations
from compressor.records.architecture import Architecture, Layer, OpKey, layers_in_words
from compressor.records.cells import Cells
from compressor.records.latency import LatencyTable
from compressor.records.score import ScoredSpace


@dataclass(frozen=True)
class SearchProblem:
    """Find the widths of every layer that do the least damage within a sum of costs.

    Attributes:
        source: The shape that is cut: a teacher, or a student of it.
        space: Levels and damages.
        table: Costs of the ops.
        limit_us: Largest sum of costs.
        uncached_share: Share of the weights that come from main memory, which the costs depend on.
        most_bytes: Of the weights of all layers.
        byte_price: Damage that a byte of weights counts as.
    """

    source: Architecture
    space: ScoredSpace
    table: LatencyTable
    limit_us: float
    uncached_share: float = 0.0
    most_bytes: float = math.inf
    byte_price: float = 0.0

    @cached_property
    def _costs(self) -> dict[OpKey, float]:
        return {}

    def cost_us(self, op: OpKey) -> float:
        """Cost of an op in microseconds.

        Raises:
            InputError: It is not in the table.
        """
        if op not in self._costs:
            self._costs[op] = self.table.cost(op, self.uncached_share).value_us
        return self._costs[op]

    def price(self, op: OpKey) -> float:
        """Damage that the weights of an op count as."""
        return self.byte_price * self.table.entry(op).weight_bytes if self.byte_price else 0.0

    def shape_of(self, solution: "Solution") -> Architecture:
        """The architecture of a student."""
        if solution.cells is not None:
            return replace(self.source, cells=solution.cells)
        return self.source.with_layers(solution.widths)

    def layer_bytes(self, shape: Architecture) -> int:
        """Of the weights of everything but the stem."""
        _, *ops = operations(shape, self.table.precision)
        return sum(self.table.entry(op).weight_bytes for op in ops)


@dataclass(frozen=True)
class Solution:
    """What a search found.

    Attributes:
        widths: Per layer of what is cut (0 = gone); empty where cells were searched.
        cost_us: Sum of the ops' costs.
        damage: Sum of the damages; what is compared, the less the better.
        cells: In the place of layers.
    """

    widths: tuple[Layer, ...]
    cost_us: float
    damage: float
    cells: Cells | None = None

    @property
    def in_words(self) -> str:
        """`4/192 0/96`, or the cells."""
        return layers_in_words(self.widths) if self.cells is None else str(self.cells)


class Searcher(Protocol):
    """A search algorithm; deterministic given the problem.

    Contract: the solution's cost is at most the limit; InfeasibleError, after a bounded time, where there is none.
    """

    def __call__(self, problem: SearchProblem) -> Solution:
        """Solve."""
