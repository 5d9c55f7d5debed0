"""Latency-neutral mutations: one sub-layer is widened, another narrowed, and the whole network is asked what it lost.

A sum of damages takes the cuts of sub-layers for independent. So a search's solution is changed step by step; each
change that keeps the limit is judged by the divergence of the stitched network, in which every cut is made and every
projection refitted at once, and kept where that falls (as the evolution in SPDY, Frantar and Alistarh 2022, section
3.3, calibrates its coefficients on whole networks).
"""

from collections.abc import Callable, Iterator

import numpy as np

from compressor.records.architecture import Layer
from compressor.search.base import SearchProblem, Solution
from compressor.search.plain import solution_of

Stitched = Callable[[Solution], float]
MOST_STEPS = 3  # levels that a mutation moves a sub-layer by
USED = 0.97  # of what the solution costs: a mutation that gives up more is no neutral one


def mutated(problem: SearchProblem, solution: Solution, stitched: Stitched, *, tries: int, seed: int) -> Solution:
    """The best of a walk that begins at a solution.

    Args:
        problem: Its limit is kept.
        solution: Where the walk begins.
        stitched: Divergence of a whole solution.
        tries: Solutions that are judged, the first included.
        seed: Of the mutations.
    """
    random = np.random.default_rng(seed)
    best, least = solution, stitched(solution)
    seen = {solution.widths}
    for _ in range(tries - 1):
        candidate = next(_neighbours(problem, best, solution.cost_us, seen, random), None)
        if candidate is None:
            break
        seen.add(candidate.widths)
        if (found := stitched(candidate)) < least:
            best, least = candidate, found
    return best


def _neighbours(
    problem: SearchProblem,
    solution: Solution,
    used_us: float,
    seen: set[tuple[Layer, ...]],
    random: np.random.Generator,
) -> Iterator[Solution]:
    """Solutions of about the same cost that were not judged before, in random order."""
    for _ in range(2_000):
        widths = _moved(problem, solution.widths, random)
        if widths is None or widths in seen:
            continue
        candidate = solution_of(problem, widths)
        if USED * used_us <= candidate.cost_us <= problem.limit_us:
            yield candidate


def _moved(problem: SearchProblem, widths: tuple[Layer, ...], random: np.random.Generator) -> tuple[Layer, ...] | None:
    """One sub-layer some levels up, another some down; None where there is no such level, or no attention is left."""
    flat = [width for layer in widths for width in (layer.heads, layer.neurons)]
    levels = [units.levels for score in problem.space.layers for units in (score.heads, score.neurons)]
    up, down = (int(i) for i in random.choice(len(flat), size=2, replace=False))
    for place, sign in ((up, 1), (down, -1)):
        level = levels[place].index(flat[place]) + sign * int(random.integers(1, MOST_STEPS + 1))
        if not 0 <= level < len(levels[place]):
            return None
        flat[place] = levels[place][level]
    if not any(flat[::2]):
        return None
    return tuple(Layer(heads, neurons) for heads, neurons in zip(flat[::2], flat[1::2], strict=True))
