"""What every search by trying promises: inherit it, and give it one."""

from collections.abc import Callable

import numpy as np
import pytest
from tiny_models import tiny

from compressor.search.macro import EpisodicSearch, Point, Shape, shapes_of

TEACHER = tiny(*[(4, 256)] * 6, hidden=64)
SHAPES = list(shapes_of(TEACHER, (32, 64), (1, 2, 4), (16, 64, 256)))


def points(limit_us: float = 1e9) -> list[Point]:
    """Those within the limit; wider and deeper ones take longer."""

    def cost(shape: Shape) -> float:
        return shape.layers * shape.hidden * (2 * shape.heads + shape.neurons / 32)

    return [Point(shape, cost(shape)) for shape in SHAPES if cost(shape) <= limit_us]


def divergence(shape: Shape) -> float:
    """Best in the middle of the depths, better the wider, relu is worse."""
    depth = (np.log2(shape.layers) - np.log2(3)) ** 2
    width = 4 / np.log2(shape.hidden * shape.neurons * shape.heads)
    return float(0.05 + 0.3 * depth + width + 0.2 * (shape.activation == "relu"))


def tries(count: int) -> Callable[[int], bool]:
    return lambda tried: tried < count


class EpisodicContract:
    """Tests of any `compressor.search.macro.EpisodicSearch`."""

    @pytest.fixture
    def search(self) -> EpisodicSearch:
        raise NotImplementedError

    @pytest.mark.parametrize("count", [1, 7, 25])
    def test_it_tries_as_many_as_there_is_time_for(self, search: EpisodicSearch, count: int) -> None:
        called: list[Shape] = []

        def evaluate(shape: Shape) -> float:
            called.append(shape)
            return divergence(shape)

        found = search(points(), evaluate, tries(count), np.random.default_rng(0))
        assert len(called) == len(set(called)) == len(found) == count
        assert dict(found) == {shape: divergence(shape) for shape in called}

    def test_nothing_over_the_limit_is_tried(self, search: EpisodicSearch) -> None:
        feasible = points(limit_us=700.0)
        assert 5 < len(feasible) < len(SHAPES)
        found = search(feasible, divergence, tries(30), np.random.default_rng(1))
        assert set(found) <= {point.shape for point in feasible}

    def test_it_ends_when_everything_was_tried(self, search: EpisodicSearch) -> None:
        few = points()[::20]
        found = search(few, divergence, tries(10**6), np.random.default_rng(0))
        assert set(found) == {point.shape for point in few}

    def test_a_single_shape_is_tried_even_without_time(self, search: EpisodicSearch) -> None:
        (found,) = search(points()[:1], divergence, tries(0), np.random.default_rng(0))
        assert found == points()[0].shape

    def test_it_is_deterministic(self, search: EpisodicSearch) -> None:
        first, again, other = (
            list(search(points(), divergence, tries(16), np.random.default_rng(seed))) for seed in (3, 3, 4)
        )
        assert first == again != other

    def test_it_finds_one_of_the_best(self, search: EpisodicSearch) -> None:
        ranks = sorted(divergence(shape) for shape in SHAPES)
        best = [
            min(search(points(), divergence, tries(40), np.random.default_rng(seed)).values()) for seed in range(5)
        ]
        assert np.mean([ranks.index(value) for value in best]) < len(ranks) / 20
