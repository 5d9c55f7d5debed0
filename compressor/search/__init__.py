"""Search algorithms, one file each."""

from difflib import get_close_matches
from functools import partial

from compressor.errors import InputError
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.evolution import evolution
from compressor.search.exact import cheapest_us, exact_search
from compressor.search.kd_nas import kd_nas
from compressor.search.macro import EpisodicSearch
from compressor.search.plain import depths_of_finalists, fewer_layers_search, solution_of, uniform_search
from compressor.search.random_search import random_search

# What a user would try by hand: in the race of the finalists, and yardsticks.
PLAIN: dict[str, Searcher] = {"uniform": uniform_search, "fewer-layers": fewer_layers_search}
UNIFORM = "uniform-"  # and a number of layers
SEARCHERS: dict[str, Searcher] = {"exact": exact_search}
# Of plain shapes, by trying some.
EPISODIC: dict[str, EpisodicSearch] = {"kd-nas": kd_nas, "evolution": evolution, "random": random_search}
NAS_KD = "nas-kd"  # of cells, from scratch


def check_search(name: str) -> str:
    """A name that there is a search of.

    Raises:
        InputError: There is none; the message has the nearest.
    """
    if name not in EPISODIC and name != NAS_KD:
        get_searcher(name)
    return name


def get_searcher(name: str) -> Searcher:
    """A search of the cuts of a network by its name.

    Raises:
        InputError: There is none; the message names all, the nearest first.
    """
    every = {**SEARCHERS, **PLAIN}
    depth = name.removeprefix(UNIFORM)
    if name.startswith(UNIFORM) and depth.isdecimal() and int(depth) > 0:
        return partial(uniform_search, depth=int(depth))
    if name not in every:
        known = [*SEARCHERS, NAS_KD, *EPISODIC, *PLAIN]
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"--search: expected one of {', '.join(known)}, uniform-N (N layers), got {name!r}{hint}")
    return every[name]


def finalists(problem: SearchProblem) -> tuple[str, ...]:
    """Names of the plain searches whose solutions are worth a race, the likeliest first."""
    whole = solution_of(problem, problem.space.widths)
    depths = depths_of_finalists(len(problem.space.layers), allowed=problem.limit_us / whole.cost_us)
    return (*(f"{UNIFORM}{depth}" for depth in depths), "fewer-layers")


__all__ = [
    "EPISODIC",
    "NAS_KD",
    "PLAIN",
    "SEARCHERS",
    "EpisodicSearch",
    "SearchProblem",
    "Searcher",
    "Solution",
    "cheapest_us",
    "check_search",
    "exact_search",
    "finalists",
    "get_searcher",
]
