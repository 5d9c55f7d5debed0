"""Search under a limit on the weights, against enumeration."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from search_problems import architectures, damage, fits, problem

from compressor.errors import InfeasibleError, TooLargeError
from compressor.search import Searcher, SearchProblem, exact_search, get_searcher
from compressor.search.exact import BINS
from compressor.search.sizing import search_within


def weighing(task: SearchProblem, *, share: float) -> SearchProblem:
    """Weights of 100 bytes per unit of width, heads of ten units; at most a share of the teacher's layers."""
    entries = tuple(
        replace(e, weight_bytes=100 * e.op.width * (10 if e.op.kind == "attention" else 1)) for e in task.table.entries
    )
    task = replace(task, table=replace(task.table, entries=entries))
    return replace(task, most_bytes=share * task.layer_bytes(task.source))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_nothing_as_small_does_less_damage(seed: int, share: float) -> None:
    task = weighing(problem(seed, limit_share=0.9), share=share)
    found = search_within(task, exact_search)
    size = task.layer_bytes(task.shape_of(found))
    assert size <= task.most_bytes
    assert found.damage == pytest.approx(damage(task, found.widths))
    others = [
        w
        for w in architectures(task)
        if task.layer_bytes(task.source.with_layers(w)) <= size and fits(task, w, bins=BINS)
    ]
    assert found.damage <= min(damage(task, w) for w in others) + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_more_room_never_does_more_damage(seed: int) -> None:
    found = [
        search_within(weighing(problem(seed, limit_share=1.05), share=share), exact_search).damage
        for share in (0.1, 0.2, 0.4, 0.7, 1.0)
    ]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(found))
    assert found[-1] == 0


def test_without_a_limit_nothing_changes() -> None:
    task = problem(3)
    assert task.most_bytes == math.inf
    assert search_within(task, exact_search) == exact_search(task)


@pytest.mark.parametrize("name", ["uniform", "fewer-layers"])
def test_plain_searches_keep_it_too(name: str) -> None:
    search: Searcher = get_searcher(name)
    task = weighing(problem(1, limit_share=0.9), share=0.3)
    assert task.layer_bytes(task.shape_of(search_within(task, search))) <= task.most_bytes


@pytest.mark.parametrize("name", ["exact", "uniform"])
def test_no_room_at_all(name: str) -> None:
    with pytest.raises(InfeasibleError):
        search_within(weighing(problem(0), share=0.001), get_searcher(name))


def test_too_large_is_not_too_slow() -> None:
    with pytest.raises(TooLargeError, match="is small enough: its layers have at least") as caught:
        search_within(weighing(problem(0), share=0.001), exact_search)
    assert caught.value.missing_bytes > 0


def test_a_limit_that_nothing_keeps_is_said_as_such() -> None:
    with pytest.raises(InfeasibleError) as caught:
        search_within(weighing(problem(0, limit_share=1e-6), share=1.0), exact_search)
    assert not isinstance(caught.value, TooLargeError)


@pytest.mark.parametrize("name", ["uniform", "fewer-layers"])
def test_a_plain_search_says_what_is_too_large_too(name: str) -> None:
    search, task = get_searcher(name), weighing(problem(0, limit_share=0.9), share=0.001)
    with pytest.raises(TooLargeError, match=r"no plain architecture within .* is small enough") as caught:
        search_within(task, search)
    room = task.most_bytes + caught.value.missing_bytes
    found = search_within(replace(task, most_bytes=room + 1), search)  # the missing bytes are rounded
    assert task.layer_bytes(task.shape_of(found)) == pytest.approx(room, abs=1)
