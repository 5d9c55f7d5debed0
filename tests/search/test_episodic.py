"""The searches by trying: their contract, and that the learning ones learn."""

import numpy as np
import pytest
from contracts.episodic_contract import SHAPES, EpisodicContract, divergence, points, tries
from tiny_models import tiny

from compressor.records.architecture import Layer
from compressor.search.evolution import evolution, nearest
from compressor.search.features import features
from compressor.search.kd_nas import Controller, kd_nas
from compressor.search.macro import EpisodicSearch, Shape
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


@pytest.mark.parametrize("search", [evolution, kd_nas])
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


def test_a_shape_is_an_architecture_of_equal_layers() -> None:
    teacher = tiny((4, 64), (4, 64), hidden=32)
    found = Shape(2, 16, 2, 48, "relu").of(teacher)
    assert found.layers == (Layer(2, 48),) * 2
    assert (found.hidden, found.activation, found.head_size) == (16, "relu", teacher.head_size)


def test_the_nearest_is_counted_in_doublings() -> None:
    wanted = Shape(3, 64, 4, 128, "gelu")
    assert nearest(wanted, points()) in {Shape(3, 64, 4, 64, "gelu"), Shape(3, 64, 4, 256, "gelu")}
