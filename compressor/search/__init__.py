"""Search algorithms, one file each."""

from functools import partial

from compressor.errors import InputError
from compressor.records.method import Method, first_line
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.exact import cheapest_us, exact_search
from compressor.search.plain import depths_of_finalists, fewer_layers_search, solution_of, uniform_search

# What a user would try by hand: in the race of the finalists, and yardsticks.
PLAIN: dict[str, Searcher] = {"uniform": uniform_search, "fewer-layers": fewer_layers_search}
UNIFORM = "uniform-"  # and a number of layers
SEARCHERS: dict[str, Searcher] = {"exact": exact_search}
SOURCES: dict[str, str] = {
    "exact": "knapsack by dynamic programming, as SPDY (Frantar and Alistarh 2022), section 3.2",
    "uniform": "what a user would try by hand",
    "fewer-layers": "what a user would try by hand",
}


def get_searcher(name: str) -> Searcher:
    """A search by its name.

    Raises:
        InputError: There is none; the message names all.
    """
    every = {**SEARCHERS, **PLAIN}
    depth = name.removeprefix(UNIFORM)
    if name.startswith(UNIFORM) and depth.isdecimal() and int(depth) > 0:
        return partial(uniform_search, depth=int(depth))
    if name not in every:
        raise InputError(f"--search: expected one of {', '.join(every)}, uniform-N (N layers), got {name!r}")
    return every[name]


def methods() -> tuple[Method, ...]:
    """All searches in words."""
    needs = "latency table, damage of every width"
    every = {**SEARCHERS, **PLAIN}
    return tuple(Method(name, first_line(search), SOURCES[name], needs) for name, search in every.items())


def finalists(problem: SearchProblem) -> tuple[str, ...]:
    """Names of the plain searches whose solutions are worth a race, the likeliest first."""
    whole = solution_of(problem, problem.space.widths)
    depths = depths_of_finalists(len(problem.space.layers), allowed=problem.limit_us / whole.cost_us)
    return (*(f"{UNIFORM}{depth}" for depth in depths), "fewer-layers")


__all__ = [
    "PLAIN",
    "SEARCHERS",
    "SearchProblem",
    "Searcher",
    "Solution",
    "cheapest_us",
    "exact_search",
    "finalists",
    "get_searcher",
    "methods",
]
