"""The searches by trying: their contract, and that the learning ones learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from contracts.episodic_contract import SHAPES, EpisodicContract, divergence, points, tries
from tiny_models import tiny

from compressor.records.architecture import Layer
from compressor.search.evolution import evolution, nearest
from compressor.search.features import features
from compressor.search.kd_nas import FIRST, Controller, kd_nas, log_quality
from compressor.search.macro import EpisodicSearch, Point, Shape
from compressor.search.random_search import random_search


class TestRandom(EpisodicContract):
    """Draws evenly."""

    @pytest.fixture
    def search(self) -> EpisodicSearch:
        return random_search


class TestEvolution(EpisodicContract):
    """Changes the best."""

    @pytest.fixture
    def search(self) -> EpisodicSearch:
        return evolution


class TestKdNas(EpisodicContract):
    """Learns which are good."""

    @pytest.fixture
    def search(self) -> EpisodicSearch:
        return kd_nas


def mean_of_last(search: EpisodicSearch, seed: int) -> float:
    """Divergence of the last twelve of forty tries."""
    return float(np.mean(list(search(points(), divergence, tries(40), np.random.default_rng(seed)).values())[-12:]))


@pytest.mark.parametrize("search", [evolution, pytest.param(kd_nas, marks=pytest.mark.heavy)])
def test_it_is_better_than_drawing_where_there_is_something_to_learn(search: EpisodicSearch) -> None:
    ours, drawn = (np.mean([mean_of_last(each, seed) for seed in range(4)]) for each in (search, random_search))
    assert ours < drawn - 0.04


def test_the_controller_knows_what_it_does_not_know() -> None:
    random = np.random.default_rng(0)
    inputs = features([SHAPES[place] for place in random.permutation(len(SHAPES))[:40]])
    rewards = inputs[:, 0] - 0.5 * inputs[:, 4]
    mean, spread = Controller(inputs, rewards, seed=0)(inputs)
    assert np.corrcoef(mean, rewards)[0, 1] > 0.97
    far = inputs[:5] + np.array([3.0, 3.0, 0.0, 0.0, 0.0])
    assert Controller(inputs, rewards, seed=0)(far)[1].mean() > 3 * spread.mean()


def test_what_never_varied_hides_nothing_else() -> None:
    """Shapes with another activation than all that were tried are still told apart by their depth."""
    gelu = [shape for shape in SHAPES if shape.activation == "gelu"]
    inputs = features([gelu[int(place)] for place in np.random.default_rng(0).permutation(len(gelu))[:30]])
    rewards = inputs[:, 0]
    others = features([replace(shape, activation="relu") for shape in gelu])
    mean, _ = Controller(inputs, rewards, seed=0)(others)
    assert np.corrcoef(mean, others[:, 0])[0, 1] > 0.7


def test_a_training_that_diverged_is_the_worst_and_no_more() -> None:
    quality = log_quality([0.5, math.inf, 0.1, 0.0])
    assert np.isfinite(quality).all()
    assert quality.argmin() == 1
    assert quality[0] == pytest.approx(-np.log(0.5))
    assert quality[0] - quality[1] == pytest.approx(np.log(2))
    assert np.isfinite(log_quality([math.inf, math.inf])).all()


@pytest.mark.parametrize("search", [evolution, kd_nas, random_search])
def test_a_search_goes_on_behind_trainings_that_diverged(search: EpisodicSearch) -> None:
    def broken(shape: Shape) -> float:
        return math.inf if shape.layers > 2 else divergence(shape)

    found = search(points(), broken, tries(30), np.random.default_rng(0))
    assert len(found) == 30
    assert min(found.values()) < math.inf


class InOrder:
    """A source of draws that has nothing to decide."""

    def permutation(self, places: list[int]) -> np.ndarray:
        return np.array(places)

    def integers(self, below: int) -> int:
        return 0


def test_of_shapes_as_good_the_fastest_comes_first() -> None:
    """The reward counts the latency, by more here than the controller can be unsure of."""
    slow = [Point(Shape(layers, 64, 2, 64, "gelu"), 1e30) for layers in range(1, FIRST + 4)]
    fast = Point(Shape(FIRST + 4, 64, 2, 64, "gelu"), 1e-30)
    tried = kd_nas([*slow, fast], lambda shape: 1.0, tries(FIRST + 1), InOrder())
    assert list(tried) == [*(point.shape for point in slow[:FIRST]), fast.shape]


def test_a_shape_is_an_architecture_of_equal_layers() -> None:
    teacher = tiny((4, 64), (4, 64), hidden=32)
    found = Shape(2, 16, 2, 48, "relu").of(teacher)
    assert found.layers == (Layer(2, 48),) * 2
    assert (found.hidden, found.activation, found.head_size) == (16, "relu", teacher.head_size)


def test_the_nearest_is_counted_in_doublings() -> None:
    wanted = Shape(3, 64, 4, 128, "gelu")
    assert nearest(wanted, points()) in {Shape(3, 64, 4, 64, "gelu"), Shape(3, 64, 4, 256, "gelu")}
