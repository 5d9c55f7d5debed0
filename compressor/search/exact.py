"""Exact search: a multiple-choice knapsack by dynamic programming.

| symbol | meaning |
| --- | --- |
| b | sub-layer (attention or feed-forward of one teacher layer), in order |
| k | level of a sub-layer |
| t(b, k) | its cost in bins, rounded up: BINS bins = the limit, so that the limit is never exceeded |
| e(b, k) | its damage |
| best(b, t) | least damage of the sub-layers up to b within t bins |

    best(b, t) = min over k of best(b - 1, t - t(b, k)) + e(b, k)

The cost of a sub-layer depends on whether all positions or only the first token is computed, that is on which layer
has the last attention; the programme is solved once for each such layer and the best is taken, which keeps it exact
(up to the rounding: at most one bin per sub-layer). A per-token model computes all positions everywhere; there the
same loop only sees to it that an attention is left. Same idea as SPDY (Frantar and Alistarh 2022, section 3.2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InfeasibleError
from compressor.latency import attention_op, feed_forward_op, stem_op
from compressor.records.architecture import Layer, OpKey
from compressor.records.score import UnitScore
from compressor.search.base import SearchProblem, Solution

BINS = 4000


@dataclass(frozen=True)
class _Choices:
    """One sub-layer: widths, costs in microseconds, and damages with the price of the weights, [levels] each."""

    widths: tuple[int, ...]
    costs: NDArray[np.float64]
    damages: NDArray[np.float64]


def exact_search(problem: SearchProblem) -> Solution:
    """The widths with the least damage within the limit.

    Raises:
        InfeasibleError: Even the cheapest widths are over the limit; carries their cost.
    """
    stem_us = problem.cost_us(stem_op(problem.source, problem.table.precision))
    budget_us = problem.limit_us - stem_us
    solutions = []
    for last in _possible_last(problem):
        blocks = _blocks(problem, last)
        chosen = _knapsack(blocks, budget_us) if budget_us > 0 else None
        if chosen is not None:
            solutions.append(_solution(blocks, chosen, stem_us))
    if not solutions:
        nearest_ms = cheapest_us(problem) / 1e3
        raise InfeasibleError(
            f"no architecture runs within {problem.limit_us / 1e3:.4g} ms here; the cheapest one takes "
            f"{nearest_ms:.4g} ms",
            nearest_ms=nearest_ms,
            cost="nearly everything that the teacher knows: one attention head is left",
        )
    return min(solutions, key=lambda solution: solution.damage)


def cheapest_us(problem: SearchProblem) -> float:
    """Cost of the cheapest architecture of the space, in microseconds."""
    stem_us = problem.cost_us(stem_op(problem.source, problem.table.precision))
    last_layers = _possible_last(problem)
    return stem_us + min(sum(float(b.costs.min()) for b in _blocks(problem, last)) for last in last_layers)


def _possible_last(problem: SearchProblem) -> list[int]:
    """Layers that may have the last attention: those that may have one."""
    return [index for index, layer in enumerate(problem.space.widths) if layer.heads]


def _blocks(problem: SearchProblem, last: int) -> list[_Choices]:
    """Sub-layers in order, when layer `last` has the last attention."""
    shape, precision, blocks = problem.source, problem.table.precision, []

    def choices(make: Callable[..., OpKey], score: UnitScore, levels: Sequence[int], *, first: bool) -> _Choices:
        widths = tuple(score.levels[k] for k in levels)
        ops = [make(shape, width, precision, first_token=first) if width else None for width in widths]
        costs = np.array([problem.cost_us(op) if op else 0.0 for op in ops])
        damages = [score.damage[k] + (problem.price(op) if op else 0.0) for k, op in zip(levels, ops, strict=True)]
        return _Choices(widths, costs, np.array(damages))

    first_from = len(shape.layers) if shape.per_token else last
    for index, score in enumerate(problem.space.layers):
        allowed = [k for k, heads in enumerate(score.heads.levels) if _allowed(heads, index, last)]
        blocks.append(choices(attention_op, score.heads, allowed, first=index == first_from))
        every = range(len(score.neurons.levels))
        blocks.append(choices(feed_forward_op, score.neurons, every, first=index >= first_from))
    return blocks


def _allowed(heads: int, index: int, last: int) -> bool:
    """Layer `last` has attention, the layers behind it have none, those before it are free."""
    return heads > 0 if index == last else heads == 0 or index < last


def _knapsack(blocks: list[_Choices], budget_us: float) -> list[int] | None:
    """Level of each block, or None where the budget is too small."""
    best = np.zeros(BINS + 1)
    picks: list[NDArray[np.intp]] = []
    bins = [np.ceil(block.costs / budget_us * BINS - 1e-9).astype(np.int64) for block in blocks]
    for block, cost in zip(blocks, bins, strict=True):
        options = np.full((len(cost), BINS + 1), np.inf)
        for k, (t, damage) in enumerate(zip(cost, block.damages, strict=True)):
            if t <= BINS:
                options[k, t:] = best[: BINS + 1 - t] + damage
        picks.append(options.argmin(axis=0))
        best = options.min(axis=0)
    if not np.isfinite(best[BINS]):
        return None
    chosen, t = [], BINS
    for pick, cost in zip(reversed(picks), reversed(bins), strict=True):
        k = int(pick[t])
        chosen.append(k)
        t -= int(cost[k])
    return chosen[::-1]


def _solution(blocks: list[_Choices], chosen: list[int], stem_us: float) -> Solution:
    picked = list(zip(blocks, chosen, strict=True))
    widths = [block.widths[k] for block, k in picked]
    layers = tuple(Layer(heads, neurons) for heads, neurons in zip(widths[::2], widths[1::2], strict=True))
    cost_us = stem_us + sum(float(block.costs[k]) for block, k in picked)
    return Solution(layers, cost_us, sum(float(block.damages[k]) for block, k in picked))
