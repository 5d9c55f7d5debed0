"""Every search that can be named keeps the contract."""

from typing import get_args

import pytest
from contracts.searcher_contract import SearcherContract
from search_problems import problem

from compressor.distill.objectives import completed
from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe
from compressor.records.task import TASK_KINDS
from compressor.search import (
    EPISODIC,
    NAS_KD,
    PLAIN,
    SEARCHERS,
    SEARCHES,
    Kind,
    Searcher,
    finalists,
    get_searcher,
    kind_of,
    methods,
    usual_losses,
)


class TestSearchers(SearcherContract):
    """The contract, for each entry of `SEARCHERS`."""

    @pytest.fixture(params=sorted(SEARCHERS))
    def search(self, request: pytest.FixtureRequest) -> Searcher:
        return get_searcher(request.param)


def test_every_search_has_one_entry_of_a_kind_with_what_it_takes() -> None:
    assert [method.name for method in methods()] == list(SEARCHES)
    assert set(SEARCHES) == {*SEARCHERS, *PLAIN, *EPISODIC, NAS_KD}
    assert {entry.kind for entry in SEARCHES.values()} == set(get_args(Kind))
    for name, entry in SEARCHES.items():
        assert kind_of(name) == entry.kind
        assert callable(entry.function) == (entry.kind != "cells")


def test_a_number_of_layers_is_a_plain_search() -> None:
    assert kind_of("uniform-3") == "plain"
    with pytest.raises(InputError, match="got 'uniform-0'"):
        kind_of("uniform-0")


def test_students_of_cells_are_trained_with_the_loss_of_their_paper() -> None:
    assert usual_losses(NAS_KD, "text-classification") == DistillRecipe.named("nas-kd")
    for kind in TASK_KINDS:
        losses = usual_losses(NAS_KD, kind)
        assert losses is not None
        assert completed(losses, kind)
        assert all(usual_losses(name, kind) is None for name in (*SEARCHERS, *PLAIN, *EPISODIC, "uniform-3"))


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
