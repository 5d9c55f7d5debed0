"""What every search promises: inherit `SearcherContract` and give it one.

class TestMySearch(SearcherContract):
    @pytest.fixture
    def search(self) -> Searcher: ...
"""

from dataclasses import replace

import pytest
from search_problems import architectures, cost_us, damage, problem

from compressor.errors import InfeasibleError
from compressor.search import Searcher

# Sums of a dozen float64 numbers in another order.
ROUNDING = 1 + 1e-9


class SearcherContract:
    """Tests of any `compressor.search.Searcher`."""

    @pytest.fixture
    def search(self) -> Searcher:
        raise NotImplementedError

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
    def test_the_solution_is_in_the_space_and_keeps_the_limit(self, search: Searcher, seed: int, share: float) -> None:
        task = problem(seed, limit_share=share)
        found = search(task)
        assert found.widths in set(architectures(task))
        assert found.cost_us == pytest.approx(cost_us(task, found.widths))
        assert found.cost_us <= task.limit_us * ROUNDING
        assert found.damage == pytest.approx(damage(task, found.widths))

    def test_a_limit_that_the_teacher_keeps_needs_no_cut(self, search: Searcher) -> None:
        task = problem(0, limit_share=1.05)
        found = search(task)
        assert found.widths == task.source.layers
        assert found.damage == 0

    def test_it_is_deterministic(self, search: Searcher) -> None:
        assert search(problem(3)) == search(problem(3))

    @pytest.mark.parametrize("seed", range(3))
    def test_a_larger_limit_never_does_more_damage(self, search: Searcher, seed: int) -> None:
        task = problem(seed)
        damages = [search(replace(task, limit_us=share * task.limit_us)).damage for share in (0.5, 0.8, 1, 1.5, 2.1)]
        assert damages == sorted(damages, reverse=True)
        assert damages[0] > damages[-1] == 0

    @pytest.mark.parametrize("share", [0.999, 0.5, 0.01], ids=["just below", "half", "less than the stem"])
    def test_a_limit_that_nothing_keeps_ends_with_the_nearest_that_is_kept(
        self, search: Searcher, share: float
    ) -> None:
        for seed in range(5):
            task = problem(seed)
            cheapest_us = min(cost_us(task, widths) for widths in architectures(task))
            with pytest.raises(InfeasibleError, match="no architecture runs within") as caught:
                search(replace(task, limit_us=share * cheapest_us))
            assert caught.value.nearest_ms == pytest.approx(cheapest_us / 1e3)
            assert caught.value.cost
            nearest = search(replace(task, limit_us=1e3 * caught.value.nearest_ms))
            assert nearest.cost_us == pytest.approx(cheapest_us)
