"""What a search is given and what it gives back."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from compressor.records.architecture import Architecture, Layer, OpKey
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
    """

    source: Architecture
    space: ScoredSpace
    table: LatencyTable
    limit_us: float
    uncached_share: float = 0.0

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


@dataclass(frozen=True)
class Solution:
    """Widths per layer of what is cut (0 = gone), their summed cost and their summed damage."""

    widths: tuple[Layer, ...]
    cost_us: float
    damage: float


class Searcher(Protocol):
    """A search algorithm; deterministic given the problem.

    Contract: the solution's cost is at most the limit; InfeasibleError, after a bounded time, where there is none.
    """

    def __call__(self, problem: SearchProblem) -> Solution:
        """Solve."""
