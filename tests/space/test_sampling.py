"""Random architectures: near their goal, varied, with an attention, and the same for the same seed."""

import numpy as np
import pytest
from tiny_models import tiny

from compressor.records.architecture import Architecture
from compressor.space import head_levels, neuron_levels, sample_architecture

TEACHER = tiny(*((4, 96),) * 6)


def cost(shape: Architecture) -> float:
    return 5.0 + sum(3.0 * layer.heads + 0.2 * layer.neurons for layer in shape.layers)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7, 1.0])
def test_samples_are_near_their_goal(share: float) -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        shape = sample_architecture(TEACHER, cost, share * cost(TEACHER), random)
        assert cost(shape) == pytest.approx(share * cost(TEACHER), rel=0.12)
        assert any(layer.heads for layer in shape.layers)
        assert all(layer.heads in head_levels(TEACHER) for layer in shape.layers)
        assert all(layer.neurons in neuron_levels(TEACHER) for layer in shape.layers)


def test_samples_differ_in_depth_and_in_kind() -> None:
    random = np.random.default_rng(0)
    shapes = [sample_architecture(TEACHER, cost, 0.3 * cost(TEACHER), random) for _ in range(30)]
    assert len(set(shapes)) > 25
    assert len({len(shape.layers) for shape in shapes}) > 3
    assert any(layer.heads == 0 for shape in shapes for layer in shape.layers)


def test_a_goal_below_every_architecture_gives_the_closest_and_ends() -> None:
    shape = sample_architecture(TEACHER, cost, 1.0, np.random.default_rng(0))
    assert cost(shape) < 0.2 * cost(TEACHER)


def test_the_same_seed_gives_the_same_architectures() -> None:
    first, again = (
        [sample_architecture(TEACHER, cost, 40.0, random) for _ in range(5)]
        for random in (np.random.default_rng(1), np.random.default_rng(1))
    )
    assert first == again
