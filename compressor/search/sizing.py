"""Search under a limit on the weights as well: bytes are given a price in damage (a Lagrange multiplier).

At a price the search is what it is without one; the lowest price whose solution is within the limit is found by
bisection of its logarithm. What is found is optimal among the solutions of all prices, that is on the convex hull of
damage against bytes; with a dozen sub-layers of a dozen levels the hull is dense.
"""

import math
from dataclasses import replace

from compressor.errors import TooLargeError
from compressor.records.units import format_bytes
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.caching import search_cached
from compressor.search.plain import solution_of

# A solution that gives up all damage for bytes costs at most as much as the whole of both.
DOUBLINGS, HALVINGS = 40, 12


def search_within(problem: SearchProblem, search: Searcher) -> Solution:
    """The best solution within the limits on cost and on bytes.

    Raises:
        InfeasibleError: Nothing is within the limit on cost.
        TooLargeError: What is, has too many bytes.
    """
    found = search_cached(problem, search)
    smallest = problem.layer_bytes(problem.shape_of(found))
    if smallest <= problem.most_bytes:
        return found
    price = max(found.damage, 1e-9) / max(1, smallest)
    best: Solution | None = None
    for _ in range(DOUBLINGS):
        found = _at(problem, search, price)
        smallest = min(smallest, problem.layer_bytes(problem.shape_of(found)))
        if problem.layer_bytes(problem.shape_of(found)) <= problem.most_bytes:
            best = found
            break
        price *= 2
    if best is None:
        room = max(0, round(problem.most_bytes))
        raise TooLargeError(
            f"no architecture within {problem.limit_us / 1e3:.4g} ms is small enough: its layers have at least "
            f"{format_bytes(smallest)} of weights, and there is room for {format_bytes(room)}",
            missing_bytes=round(smallest - problem.most_bytes),
        )
    low, high = price / 2, price
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        found = _at(problem, search, middle)
        if problem.layer_bytes(problem.shape_of(found)) > problem.most_bytes:
            low = middle
        else:
            high, best = middle, min(best, found, key=lambda solution: solution.damage)
    return best


def _at(problem: SearchProblem, search: Searcher, price: float) -> Solution:
    """The solution at a price per byte, with its damage alone."""
    found = search_cached(replace(problem, byte_price=price), search)
    return replace(found, damage=solution_of(problem, found.widths).damage)
