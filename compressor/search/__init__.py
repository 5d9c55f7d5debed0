"""Search algorithms, one file each."""

from compressor.errors import InputError
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.exact import cheapest_us, exact_search

SEARCHERS: dict[str, Searcher] = {"exact": exact_search}


def get_searcher(name: str) -> Searcher:
    """A search by its name.

    Raises:
        InputError: There is none; the message names all.
    """
    if name not in SEARCHERS:
        raise InputError(f"--search: expected one of {', '.join(SEARCHERS)}, got {name!r}")
    return SEARCHERS[name]


__all__ = ["SEARCHERS", "SearchProblem", "Searcher", "Solution", "cheapest_us", "exact_search", "get_searcher"]
