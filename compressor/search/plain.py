"""Plain architectures: the same widths in every layer that is kept, and those evenly spaced; or fewer, whole layers.

They are what a user would try by hand. Damages are those before any training, and their sum rates many thin layers too
well: what inherits well is not what learns well. In deep cuts three wide layers end up better than the six thin ones
that an exact search finds (benchmarks/log.md), so uniform widths of several depths are in the race.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from compressor.errors import InfeasibleError, TooLargeError
from compressor.latency import operations
from compressor.records.architecture import Layer
from compressor.records.score import LayerScore
from compressor.records.units import format_bytes
from compressor.search.base import SearchProblem, Solution
from compressor.search.exact import cheapest_us

GONE = Layer(0, 0)
SHARES = 64  # widths that a single layer is tried at
DEEP = 0.5  # limits below that share of what is cut are reached with fewer layers


def uniform_search(problem: SearchProblem, *, depth: int | None = None) -> Solution:
    """The same widths in evenly spaced layers: of all within the limit those of the least damage.

    Where a layer of what is cut has less than that, it keeps what it has.

    Args:
        problem: Levels, damages, costs and limit.
        depth: How many layers; None = every depth is tried.

    Raises:
        InfeasibleError: None is within the limit, or there are fewer layers than that.
    """
    layers = len(problem.space.layers)
    depths = range(1, layers + 1) if depth is None else [depth] if depth <= layers else []
    every = (_uniform(problem, evenly_spaced(layers, depth)) for depth in depths)
    return _best(problem, itertools.chain.from_iterable(every))


def depths_of_finalists(layers: int, *, allowed: float) -> tuple[int, ...]:
    """Depths of uniform widths that are worth a place in a race, the likeliest first.

    Args:
        layers: Of what is cut.
        allowed: The limit over the cost of what is cut: with little of it few wide layers are better than many thin.
    """
    shares = (1, 2 / 3, 1 / 2) if allowed > DEEP else (1 / 2, 2 / 3, 1 / 3)
    return tuple(dict.fromkeys(max(1, round(share * layers)) for share in shares))


def fewer_layers_search(problem: SearchProblem) -> Solution:
    """As many whole layers as the limit allows; where it allows none, one that is narrowed evenly.

    Raises:
        InfeasibleError: Nothing is within the limit.
    """
    whole = problem.space.widths
    for depth in range(len(whole), 0, -1):
        solution = _of(problem, {index: whole[index] for index in evenly_spaced(len(whole), depth)})
        if _fits(problem, solution):
            return solution
    last = len(whole) - 1
    shares = np.linspace(0, 1, SHARES, endpoint=False)[1:]
    return _best(problem, (_of(problem, {last: _narrowed(problem, last, float(share))}) for share in shares))


def evenly_spaced(layers: int, depth: int) -> tuple[int, ...]:
    """`depth` of so many layers, with the first and the last; of one, the last, which the head was trained on."""
    if depth == 1:
        return (layers - 1,)
    return tuple(int(i) for i in np.round(np.linspace(0, layers - 1, depth)))


def _best(problem: SearchProblem, solutions: Iterator[Solution]) -> Solution:
    fast = [solution for solution in solutions if solution.cost_us <= problem.limit_us]
    if not fast:
        raise InfeasibleError(
            f"no plain architecture runs within {problem.limit_us / 1e3:.4g} ms here",
            nearest_ms=cheapest_us(problem) / 1e3,
            cost="nearly everything that the teacher knows",
        )
    fitting = [solution for solution in fast if _beyond(problem, solution) <= 0]
    if not fitting:
        missing = round(min(_beyond(problem, solution) for solution in fast))
        raise TooLargeError(
            f"no plain architecture within {problem.limit_us / 1e3:.4g} ms is small enough: the smallest has "
            f"{format_bytes(missing)} of weights too many",
            missing_bytes=missing,
        )
    return min(fitting, key=lambda solution: solution.damage)


def _fits(problem: SearchProblem, solution: Solution) -> bool:
    return solution.cost_us <= problem.limit_us and _beyond(problem, solution) <= 0


def _beyond(problem: SearchProblem, solution: Solution) -> float:
    """Bytes of weights beyond the limit on them; negative within it."""
    if problem.most_bytes == math.inf:
        return -math.inf
    return problem.layer_bytes(problem.shape_of(solution)) - problem.most_bytes


def _uniform(problem: SearchProblem, kept: tuple[int, ...]) -> Iterator[Solution]:
    """All widths that one of these layers may have, at least one head and one neuron; a narrower layer stays whole."""
    scores = {index: problem.space.layers[index] for index in kept}
    heads = {level for score in scores.values() for level in score.heads.levels} - {0}
    neurons = {level for score in scores.values() for level in score.neurons.levels} - {0}
    for widths in itertools.product(sorted(heads), sorted(neurons)):
        yield _of(problem, {index: _at_most(score, Layer(*widths)) for index, score in scores.items()})


def _at_most(score: LayerScore, widths: Layer) -> Layer:
    """The widest levels up to some widths."""
    pairs = ((score.heads, widths.heads), (score.neurons, widths.neurons))
    return Layer(*(max(level for level in units.levels if level <= width) for units, width in pairs))


def _narrowed(problem: SearchProblem, index: int, share: float) -> Layer:
    """The levels above 0 that are nearest to a share of the widths."""
    score, whole = problem.space.layers[index], problem.space.widths[index]
    heads = min(score.heads.levels[1:], key=lambda level: abs(level - share * whole.heads), default=0)
    return Layer(heads, min(score.neurons.levels[1:], key=lambda level: abs(level - share * whole.neurons), default=0))


def _of(problem: SearchProblem, layers: dict[int, Layer]) -> Solution:
    return solution_of(problem, tuple(layers.get(index, GONE) for index in range(len(problem.space.layers))))


def solution_of(problem: SearchProblem, widths: tuple[Layer, ...]) -> Solution:
    """Cost and damage of some widths."""
    damage = 0.0
    for score, width in zip(problem.space.layers, widths, strict=True):
        damage += score.heads.damage[score.heads.levels.index(width.heads)]
        damage += score.neurons.damage[score.neurons.levels.index(width.neurons)]
    ops = operations(problem.source.with_layers(widths), problem.table.precision)
    return Solution(widths, sum(problem.cost_us(op) for op in ops), damage)
