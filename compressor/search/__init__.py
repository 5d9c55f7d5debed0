"""Search algorithms, one file each."""

from functools import partial

from compressor.errors import InputError
from compressor.records.method import Method
from compressor.records.suggestion import did_you_mean
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
SCORES, TRIES = "latency table, damage of every width", "latency tables of every width and activation, short trainings"
METHODS = (
    Method(
        "exact",
        "the widths with the least damage within the limit; in a race with plain ones",
        "knapsack by dynamic programming, as SPDY (Frantar and Alistarh 2022), section 3.2",
        SCORES,
    ),
    Method(
        NAS_KD,
        "cells of mixed blocks, from scratch",
        "Zhang et al. 2020, ICPR, poster; DARTS, arXiv 1806.09055",
        "latency table of the blocks, the teacher in every step",
    ),
    Method("kd-nas", "plain shapes, a learned controller says which", "Trivedi et al. 2023, arXiv 2303.09639", TRIES),
    Method(
        "evolution", "plain shapes, changes of good ones", "Real et al. 2019, arXiv 1802.01548, algorithm 1", TRIES
    ),
    Method("random", "plain shapes, drawn evenly", "Li and Talwalkar 2019, arXiv 1902.07638", TRIES),
    Method("uniform", "the same widths in evenly spaced layers", "what a user would try by hand", SCORES),
    Method("fewer-layers", "as many whole layers as fit", "what a user would try by hand", SCORES),
)


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
        known = [method.name for method in METHODS]
        hint = did_you_mean(name, known)
        raise InputError(f"--search: expected one of {', '.join(known)}, uniform-N (N layers), got {name!r}{hint}")
    return every[name]


def methods() -> tuple[Method, ...]:
    """All searches in words."""
    return METHODS


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
    "methods",
]
