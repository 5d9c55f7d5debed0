"""Every search that can be named keeps the contract."""

import pytest
from contracts.searcher_contract import SearcherContract

from compressor.errors import InputError
from compressor.search import SEARCHERS, Searcher, get_searcher


class TestSearchers(SearcherContract):
    """The contract, for each entry of `SEARCHERS`."""

    @pytest.fixture(params=sorted(SEARCHERS))
    def search(self, request: pytest.FixtureRequest) -> Searcher:
        return get_searcher(request.param)


def test_an_unknown_search_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"--search: expected one of exact, uniform, fewer-layers, got 'exakt'"):
        get_searcher("exakt")
