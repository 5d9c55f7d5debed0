"""Every search that can be named keeps the contract."""

import pytest
from contracts.searcher_contract import SearcherContract
from search_problems import problem

from compressor.errors import InputError
from compressor.search import SEARCHERS, Searcher, finalists, get_searcher


class TestSearchers(SearcherContract):
    """The contract, for each entry of `SEARCHERS`."""

    @pytest.fixture(params=sorted(SEARCHERS))
    def search(self, request: pytest.FixtureRequest) -> Searcher:
        return get_searcher(request.param)


@pytest.mark.parametrize("name", ["uniform-", "uniform-0", "uniform-x", "uniform--1"])
def test_a_depth_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="uniform-N"):
        get_searcher(name)


def test_every_finalist_has_a_search() -> None:
    task = problem(0, limit_share=1.01)
    assert finalists(task) == ("uniform-3", "uniform-2", "fewer-layers")
    assert finalists(problem(0, limit_share=0.4)) == ("uniform-2", "uniform-1", "fewer-layers")
    for name in finalists(task):
        assert get_searcher(name)(task).cost_us <= task.limit_us


def test_an_unknown_search_is_refused_with_the_known_ones() -> None:
    known = "exact, nas-kd, kd-nas, evolution, random, uniform, fewer-layers, uniform-N .*"
    with pytest.raises(InputError, match=rf"expected one of {known}, got 'exakt'; did you mean 'exact'\?"):
        get_searcher("exakt")
