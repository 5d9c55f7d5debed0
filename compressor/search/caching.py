"""Search under costs that depend on the size of what is found.

The larger a model, the more of its weights come from main memory, and the more each op costs. At a given share of such
weights the costs are fixed and a search is exact; its solution is valid if its own size implies at most that share.
The smallest share with a valid solution is bisected: solutions below it would be slower than their costs say.
"""

from dataclasses import replace

from compressor.errors import InfeasibleError
from compressor.latency import model_bytes, summed
from compressor.records.architecture import Architecture
from compressor.search.base import Searcher, SearchProblem, Solution

HALVINGS = 5  # the share to a thirty-second, which is less than a percent of any cost


def search_cached(problem: SearchProblem, search: Searcher) -> Solution:
    """The best solution whose cost is within the limit at the share of uncached weights that its size implies.

    Args:
        problem: Its `uncached_share` does not matter.
        search: Solves at a fixed share.

    Raises:
        InfeasibleError: There is none.
    """
    none_uncached = _solved(problem, search, 0.0)
    if none_uncached is None:
        return search(replace(problem, uncached_share=0.0))  # says what is nearest
    if _implied_share(problem, none_uncached) == 0.0:
        return none_uncached
    low, high, best = 0.0, 1.0, _solved(problem, search, 1.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = _solved(problem, search, middle)
        if found is None:
            high = middle
        elif _implied_share(problem, found) <= middle:
            high, best = middle, found
        else:
            low = middle
    if best is None:
        return search(replace(problem, uncached_share=1.0))
    return replace(best, cost_us=_true_cost_us(problem, problem.shape_of(best)))


def _solved(problem: SearchProblem, search: Searcher, share: float) -> Solution | None:
    try:
        return search(replace(problem, uncached_share=share))
    except InfeasibleError:
        return None


def _implied_share(problem: SearchProblem, solution: Solution) -> float:
    return _share(problem, problem.shape_of(solution))


def _share(problem: SearchProblem, shape: Architecture) -> float:
    return problem.table.calibration.uncached_share(model_bytes(problem.table, shape))


def _true_cost_us(problem: SearchProblem, shape: Architecture) -> float:
    """Summed cost of a student, at the share of uncached weights that its size implies."""
    return summed(problem.table, shape, _share(problem, shape)).value_us
