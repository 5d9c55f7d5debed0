"""Search under a limit on the weights as well: bytes are given a price in damage (a Lagrange multiplier).

At a price the search is what it is without one; the lowest price whose solution is within the limit is found by
bisection of its logarithm. What is found is optimal among the solutions of all prices, that is on the convex hull of
damage against bytes; with a dozen sub-layers of a dozen levels the hull is dense.
"""

import math
from dataclasses import replace

from compressor.errors import InfeasibleError
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.caching import search_cached
from compressor.search.plain import solution_of

# A solution that gives up all damage for bytes costs at most as much as the whole of both.
DOUBLINGS, HALVINGS = 40, 12


def search_within(problem: SearchProblem, search: Searcher) -> Solution:
    """The best solution within the limits on cost and on bytes.

    Raises:
        InfeasibleError: There is none.
    """
    found = search_cached(problem, search)
    if problem.layer_bytes(problem.shape_of(found)) <= problem.most_bytes:
        return found
    price = max(found.damage, 1e-9) / problem.layer_bytes(problem.shape_of(found))
    best = None
    for _ in range(DOUBLINGS):
        best = _at(problem, search, price)
        if best is not None:
            break
        price *= 2
    if best is None:
        raise InfeasibleError(
            f"no architecture has at most {problem.most_bytes / 1e6:.3g} MB of weights in its layers and runs within "
            f"{problem.limit_us / 1e3:.4g} ms",
            nearest_ms=problem.limit_us / 1e3,
            cost="a larger --max-size",
        )
    low, high = price / 2, price
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        cheaper = _at(problem, search, middle)
        if cheaper is None:
            low = middle
        else:
            high, best = middle, min(best, cheaper, key=lambda solution: solution.damage)
    return best


def _at(problem: SearchProblem, search: Searcher, price: float) -> Solution | None:
    """The solution at a price, with its damage alone; None where it is too large."""
    found = search_cached(replace(problem, byte_price=price), search)
    if problem.layer_bytes(problem.shape_of(found)) > problem.most_bytes:
        return None
    return replace(found, damage=solution_of(problem, found.widths).damage)
