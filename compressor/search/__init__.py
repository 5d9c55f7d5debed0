"""Search algorithms, one file each."""

from compressor.errors import InputError
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.exact import cheapest_us, exact_search
from compressor.search.plain import fewer_layers_search, uniform_search

# What a user would try by hand: in the race of the finalists, and yardsticks.
PLAIN: dict[str, Searcher] = {"uniform": uniform_search, "fewer-layers": fewer_layers_search}
SEARCHERS: dict[str, Searcher] = {"exact": exact_search}


def get_searcher(name: str) -> Searcher:
    """A search by its name.

    Raises:
        InputError: There is none; the message names all.
    """
    every = {**SEARCHERS, **PLAIN}
    if name not in every:
        raise InputError(f"--search: expected one of {', '.join(every)}, got {name!r}")
    return every[name]


__all__ = [
    "PLAIN",
    "SEARCHERS",
    "SearchProblem",
    "Searcher",
    "Solution",
    "cheapest_us",
    "exact_search",
    "get_searcher",
]
