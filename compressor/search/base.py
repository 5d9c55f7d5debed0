"""What a search is given and what it gives back."""

from dataclasses import dataclass
from typing import Protocol

from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import LatencyTable
from compressor.records.score import ScoredSpace


@dataclass(frozen=True)
class SearchProblem:
    """Find the widths of every teacher layer that do the least damage within a predicted latency.

    Attributes:
        teacher: The shape that is cut.
        space: Levels and damages.
        table: Costs of the ops.
        precision: In which all products run.
        limit_us: Largest sum of costs.
        within: Per layer, the widths that must not be exceeded; None = the teacher's.
    """

    teacher: Architecture
    space: ScoredSpace
    table: LatencyTable
    precision: Precision
    limit_us: float
    within: tuple[Layer, ...] | None = None


@dataclass(frozen=True)
class Solution:
    """Widths per teacher layer (0 = gone), their summed cost and their summed damage."""

    widths: tuple[Layer, ...]
    cost_us: float
    damage: float


class Searcher(Protocol):
    """A search algorithm; deterministic given the problem.

    Contract: the solution's cost is at most the limit; InfeasibleError, after a bounded time, where there is none.
    """

    def __call__(self, problem: SearchProblem) -> Solution:
        """Solve."""
