"""Search under costs that depend on the size of the model, against enumeration."""

import math
from dataclasses import replace

import pytest
from search_problems import architectures, cost_us, damage, problem

from compressor.errors import InfeasibleError
from compressor.latency import estimate
from compressor.records.latency import Calibration, Measured, TableEntry
from compressor.search import SearchProblem, exact_search
from compressor.search.caching import HALVINGS, search_cached
from compressor.search.exact import BINS


def with_memory(task: SearchProblem, *, slower: float, cache_bytes: float) -> SearchProblem:
    """Weights of 100 bytes per unit of width; from memory an op takes longer by a factor."""
    entries = tuple(
        TableEntry(e.op, e.cached, replace(e.cached, value_us=slower * e.cached.value_us), 100 * e.op.width)
        for e in task.table.entries
    )
    table = replace(task.table, entries=entries, calibration=Calibration(cache_bytes=cache_bytes))
    return replace(task, table=table)


def least_damage(task: SearchProblem, *, limit_us: float) -> float:
    return min((damage(task, w) for w in architectures(task) if cost_us(task, w) <= limit_us), default=math.inf)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("cache_bytes", [500.0, 4000.0, 1e9])
def test_the_limit_is_kept_at_the_size_that_was_found_and_little_is_lost(seed: int, cache_bytes: float) -> None:
    task = with_memory(problem(seed, limit_share=0.8), slower=1.6, cache_bytes=cache_bytes)
    found = search_cached(task, exact_search)
    true_us = cost_us(task, found.widths)
    assert found.cost_us == pytest.approx(true_us)
    assert true_us <= task.limit_us * (1 + 1e-9)
    # Steps of the share and bins of the knapsack: no better architecture well within the limit.
    margin = 1 - 0.6 / 2**HALVINGS - 10 / BINS
    assert found.damage <= least_damage(task, limit_us=margin * task.limit_us) + 1e-9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("overhead_us", [-6.0, 10.0])
def test_an_overhead_is_as_if_every_op_took_so_much_longer(seed: int, overhead_us: float) -> None:
    task = with_memory(problem(seed, limit_share=0.8), slower=1.6, cache_bytes=2000.0)

    def longer(cost: Measured) -> Measured:
        return replace(cost, value_us=cost.value_us + overhead_us)

    entries = tuple(replace(e, cached=longer(e.cached), uncached=longer(e.uncached)) for e in task.table.entries)
    calibration = replace(task.table.calibration, overhead_us=overhead_us)
    added, within = (
        search_cached(replace(task, table=replace(task.table, **change)), exact_search)
        for change in ({"entries": entries}, {"calibration": calibration})
    )
    assert within.widths == added.widths
    assert within.cost_us == pytest.approx(added.cost_us)


def test_costs_from_memory_make_smaller_models() -> None:
    small, large = (
        search_cached(with_memory(problem(0, limit_share=0.8), slower=2.0, cache_bytes=size), exact_search)
        for size in (100.0, 1e9)
    )
    assert small.damage > large.damage


def test_a_limit_that_only_a_model_from_memory_would_break_is_infeasible() -> None:
    task = with_memory(problem(0, limit_share=0.001), slower=2.0, cache_bytes=1.0)
    with pytest.raises(InfeasibleError, match="no architecture runs within"):
        search_cached(task, exact_search)


def test_a_small_model_is_found_where_all_from_memory_would_be_too_slow() -> None:
    task = with_memory(problem(4), slower=50.0, cache_bytes=2500.0)
    cheapest = min(cost_us(task, w) for w in architectures(task))
    tight = replace(task, limit_us=1.02 * cheapest)
    found = search_cached(tight, exact_search)
    assert estimate(task.table, task.source.with_layers(found.widths)).value_us <= tight.limit_us
