"""The exact search against enumeration and against a mixed integer programme."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from search_problems import PRECISION, cost_us, fits, least_damage, problem
from tables import table_of

from compressor.errors import InfeasibleError, InputError
from compressor.latency import attention_op, feed_forward_op, operations, stem_op
from compressor.records.architecture import Layer
from compressor.records.score import LayerScore
from compressor.search import SearchProblem, cheapest_us, exact_search
from compressor.search.exact import BINS


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.15, 0.35, 0.6, 0.9])
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("per_token", [False, True])
def test_it_is_the_best_of_all_combinations(seed: int, share: float, layers: int, per_token: bool) -> None:
    task = problem(seed, layers=layers, limit_share=share, per_token=per_token)
    if least_damage(task, bins=BINS) == math.inf:
        with pytest.raises(InfeasibleError):
            exact_search(task)
        return
    found = exact_search(task)
    # The documented rounding: sub-layers rounded up to whole bins.
    assert found.damage == pytest.approx(least_damage(task, bins=BINS))
    assert least_damage(task) <= found.damage + 1e-9


def test_the_rounding_costs_at_most_a_bin_per_sub_layer() -> None:
    for seed in range(8):
        task = problem(seed, limit_share=0.4)
        budget_us = task.limit_us - task.cost_us(stem_op(task.source, PRECISION))
        smaller = replace(task, limit_us=task.limit_us - 2 * len(task.source.layers) * budget_us / BINS)
        assert exact_search(task).damage <= least_damage(smaller) + 1e-9


def test_sub_layers_behind_the_last_attention_cost_what_the_first_token_costs() -> None:
    # Only if the feed-forward parts of layers 1 and 2 are counted for one token is there room for both.
    task = problem(1, heads=(0, 1), neurons=(0, 16))
    costs = {"stem": 10.0, "attention": 10.0, "feed_forward": 10.0}
    table = table_of(
        task.source,
        {
            e.op: replace(e.cached, value_us=costs[e.op.kind] * (0.1 if e.op.first_token else 1.0))
            for e in task.table.entries
        },
    )
    keep_neurons = tuple(
        LayerScore(replace(score.heads, damage=(0.5 + index, 0.0)), replace(score.neurons, damage=(100.0, 0.0)))
        for index, score in enumerate(task.space.layers)
    )
    task = replace(
        task,
        table=table,
        space=replace(task.space, layers=keep_neurons),
        limit_us=1 + 1 + 3 * 1 + 0.5,
    )
    found = exact_search(task)
    assert found.widths == (Layer(1, 16), Layer(0, 16), Layer(0, 16))
    assert found.cost_us == pytest.approx(5.0)
    # A later attention is worth more, but makes every feed-forward part in front of it run on all tokens.
    assert not fits(task, (Layer(0, 16), Layer(0, 16), Layer(1, 16)))


def test_the_cheapest_architecture_is_one_attention_or_what_is_cheaper() -> None:
    task = problem(2)
    assert cheapest_us(task) == pytest.approx(min(cost_us(task, (Layer(h, 0),) + (Layer(0, 0),) * 2) for h in (1, 3)))


def test_an_op_that_was_not_measured_is_never_free() -> None:
    task = problem(0)
    missing = attention_op(task.source, 1, PRECISION, first_token=True)
    entries = tuple(entry for entry in task.table.entries if entry.op != missing)
    with pytest.raises(InputError, match="the latency table has no entry for `attention 1 x 8 of 16, int8, first"):
        exact_search(replace(task, table=replace(task.table, entries=entries)))


@pytest.mark.parametrize("seed", range(3))
def test_a_larger_space_agrees_with_a_mixed_integer_programme(seed: int) -> None:
    task = problem(seed, layers=4, heads=(0, 1, 2, 3, 4), neurons=(0, 16, 32, 48, 64, 80), limit_share=0.4)
    assert exact_search(task).damage == pytest.approx(_milp(task), rel=1e-6)


def _milp(task: SearchProblem) -> float:
    """Least damage with sub-layers rounded up to bins; one programme for all places of the last attention.

    Binary x(l, k, f): attention of layer l has level k, for the first token only if f; y(l, k, f): its feed-forward;
    z(l): layer l has the last attention.
    """
    space, layers = task.space, len(task.source.layers)
    budget = task.limit_us - task.cost_us(stem_op(task.source, PRECISION))
    names: dict[tuple[str, int, int, int], int] = {}
    damages: list[float] = []
    bins: list[float] = []
    for layer, score in enumerate(space.layers):
        for name, make, units in (("x", attention_op, score.heads), ("y", feed_forward_op, score.neurons)):
            for k, width in enumerate(units.levels):
                for first in (0, 1):
                    op = make(task.source, width, PRECISION, first_token=bool(first))
                    cost = task.cost_us(op) if width else 0.0
                    names[name, layer, k, first] = len(damages)
                    damages.append(units.damage[k])
                    bins.append(math.ceil(cost / budget * BINS - 1e-9))
    for layer in range(layers):
        names["z", layer, 0, 0] = len(damages)
        damages.append(0.0)
        bins.append(0.0)
    rows: list[np.ndarray] = []
    low: list[float] = []
    high: list[float] = []

    def constrain(terms: dict[tuple[str, int, int, int], float], least: float, most: float) -> None:
        row = np.zeros(len(damages))
        for key, factor in terms.items():
            row[names[key]] += factor
        rows.append(row)
        low.append(least)
        high.append(most)

    heads, neurons = (range(len(units.levels)) for units in (space.layers[0].heads, space.layers[0].neurons))
    constrain({("z", j, 0, 0): 1.0 for j in range(layers)}, 1, 1)
    for layer in range(layers):
        later = {("z", j, 0, 0): -1.0 for j in range(layer + 1, layers)}
        until = {("z", j, 0, 0): -1.0 for j in range(layer + 1)}
        constrain({("x", layer, k, f): 1.0 for k in heads for f in (0, 1)}, 1, 1)
        constrain({("x", layer, 0, 1): 1.0}, 0, 0)
        constrain({("x", layer, k, 1): 1.0 for k in heads if k} | {("z", layer, 0, 0): -1.0}, 0, 0)
        constrain({("x", layer, k, 0): 1.0 for k in heads if k} | later, -np.inf, 0)
        constrain({("y", layer, k, 1): 1.0 for k in neurons} | until, 0, 0)
        constrain({("y", layer, k, 0): 1.0 for k in neurons} | later, 0, 0)
    rows.append(np.array(bins))
    low.append(0)
    high.append(BINS)
    solved = milp(
        np.array(damages),
        constraints=LinearConstraint(np.array(rows), low, high),
        integrality=np.ones(len(damages)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-9},
    )
    assert solved.success
    return float(solved.fun)


def test_the_programme_counts_the_ops_of_the_latency_package() -> None:
    # Guards the helper of the enumeration itself: cost of whole widths = sum of the table's entries.
    task = problem(4)
    widths = (Layer(1, 16), Layer(3, 0), Layer(0, 48))
    ops = operations(task.source.with_layers(widths), PRECISION)
    assert [op.first_token for op in ops] == [True, False, False, True, True]
    assert cost_us(task, widths) == pytest.approx(sum(task.cost_us(op) for op in ops))
