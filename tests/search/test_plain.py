"""Plain architectures against enumeration."""

from dataclasses import replace

import pytest
from search_problems import architectures, cost_us, damage, problem

from compressor.errors import InfeasibleError
from compressor.records.architecture import Layer
from compressor.records.score import LayerScore, ScoredSpace, UnitScore
from compressor.search import SearchProblem, exact_search
from compressor.search.plain import evenly_spaced, fewer_layers_search, uniform_search

GONE = Layer(0, 0)
Widths = tuple[Layer, ...]


@pytest.mark.parametrize(
    ("layers", "depth", "kept"),
    [
        (6, 6, (0, 1, 2, 3, 4, 5)),
        (6, 4, (0, 2, 3, 5)),
        (6, 2, (0, 5)),
        (6, 1, (5,)),
        (12, 3, (0, 6, 11)),
        (1, 1, (0,)),
    ],
)
def test_the_layers_are_evenly_spaced(layers: int, depth: int, kept: tuple[int, ...]) -> None:
    assert evenly_spaced(layers, depth) == kept


def uniform(task: SearchProblem) -> list[Widths]:
    """All architectures of evenly spaced layers of the same widths, none of them 0."""
    layers = len(task.source.layers)
    every = []
    for widths in architectures(task):
        there = tuple(index for index, layer in enumerate(widths) if layer != GONE)
        same = {widths[index] for index in there}
        if there == evenly_spaced(layers, len(there)) and len(same) == 1 and min(*vars(same.pop()).values()) > 0:
            every.append(widths)
    return every


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.25, 0.5, 1.01])
def test_uniform_widths_are_the_least_damaging_within_the_limit(seed: int, share: float) -> None:
    task = problem(seed, limit_share=share)
    fitting = [widths for widths in uniform(task) if cost_us(task, widths) <= task.limit_us]
    found = uniform_search(task)
    assert found.widths in fitting
    assert found.damage == pytest.approx(min(damage(task, widths) for widths in fitting))
    assert found.cost_us == pytest.approx(cost_us(task, found.widths))
    assert found.damage >= exact_search(task).damage - 1e-9


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_uniform_widths_of_one_depth(depth: int) -> None:
    task = problem(1, limit_share=0.95)
    fitting = [
        widths
        for widths in uniform(task)
        if sum(layer != GONE for layer in widths) == depth and cost_us(task, widths) <= task.limit_us
    ]
    found = uniform_search(task, depth=depth)
    assert found.damage == pytest.approx(min(damage(task, widths) for widths in fitting))
    assert found.widths in fitting


def test_more_layers_than_there_are_cannot_be_kept() -> None:
    with pytest.raises(InfeasibleError):
        uniform_search(problem(0), depth=4)


def test_a_layer_that_is_narrower_keeps_what_it_has() -> None:
    task = problem(2, limit_share=1.01)
    score = task.space.layers[1]
    heads = UnitScore((0,), (0, 1), (score.heads.damage[0], 0.0))
    space = ScoredSpace((task.space.layers[0], LayerScore(heads, score.neurons), task.space.layers[2]))
    found = uniform_search(replace(task, space=space), depth=3)
    assert found.widths == (task.source.layers[0], Layer(1, score.neurons.levels[-1]), task.source.layers[2])


@pytest.mark.parametrize("seed", range(6))
def test_fewer_layers_are_as_many_whole_ones_as_fit(seed: int) -> None:
    task = problem(seed)
    whole = task.source.layers[0]
    by_depth = {d: tuple(whole if i in evenly_spaced(3, d) else GONE for i in range(3)) for d in (1, 2, 3)}
    for depth, widths in by_depth.items():
        limit_us = cost_us(task, widths) * (1 + 1e-9)
        deeper = [d for d in by_depth if d > depth and cost_us(task, by_depth[d]) <= limit_us]
        found = fewer_layers_search(replace(task, limit_us=limit_us))
        assert found.widths == by_depth[max(deeper, default=depth)]
        assert found.cost_us == pytest.approx(cost_us(task, found.widths))


@pytest.mark.parametrize("seed", range(6))
def test_where_no_whole_layer_fits_one_is_narrowed(seed: int) -> None:
    task = problem(seed)
    whole = (GONE, GONE, task.source.layers[2])
    found = fewer_layers_search(replace(task, limit_us=0.99 * cost_us(task, whole)))
    assert found.widths[:2] == (GONE, GONE)
    assert found.widths[2] != whole[2] and found.widths[2].heads > 0


@pytest.mark.parametrize("search", [uniform_search, fewer_layers_search])
def test_a_limit_that_none_keeps(search: object) -> None:
    task = problem(0)
    with pytest.raises(InfeasibleError, match="no plain architecture runs within"):
        search(replace(task, limit_us=1.0))  # type: ignore[operator]
