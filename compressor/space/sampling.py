"""Random architectures of a given cost: for calibration, for benchmarks, and as a yardstick for searches."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compressor.records.architecture import Architecture, Layer
from compressor.space.levels import head_levels, neuron_levels

DRAWS, HALVINGS = 30, 18
CLOSE_ENOUGH = 0.05
NARROWEST, WIDEST = 1e-3, 1e3  # factors that make any draw all narrow or all wide


def sample_architecture(
    teacher: Architecture, cost: Callable[[Architecture], float], goal: float, random: np.random.Generator
) -> Architecture:
    """An architecture of the teacher's space whose cost is near `goal`, with at least one attention.

    Which sub-layers stay and how their widths relate is random; a common factor on all widths is then bisected.

    Args:
        teacher: Whose widths are the largest.
        cost: Of an architecture, rising with its widths.
        goal: In the unit of `cost`.
        random: Source of the draws.

    Returns:
        The first of `DRAWS` draws within 5 % of the goal, else the closest.
    """
    found: list[tuple[float, Architecture]] = []
    while len(found) < DRAWS and (not found or min(found, key=_distance)[0] > CLOSE_ENOUGH):
        shape = _scaled_to(teacher, cost, goal, _draw(len(teacher.layers), random))
        found.append((abs(cost(shape) / goal - 1), shape))
    return min(found, key=_distance)[1]


def _distance(found: tuple[float, Architecture]) -> float:
    return found[0]


def _draw(layers: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Relative widths of attention and feed-forward, [layers, 2]; 0 = gone."""
    kept = random.uniform(size=(layers, 2)) < random.uniform(0.2, 1.2)
    kept[random.integers(layers), 0] = True
    return np.where(kept, random.uniform(0.05, 1.0, size=(layers, 2)), 0.0)


def _scaled_to(
    teacher: Architecture, cost: Callable[[Architecture], float], goal: float, widths: NDArray[np.float64]
) -> Architecture:
    low, high = NARROWEST, WIDEST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if cost(_shaped(teacher, middle * widths)) < goal else (low, middle)
    return min((_shaped(teacher, factor * widths) for factor in (low, high)), key=lambda s: abs(cost(s) / goal - 1))


def _shaped(teacher: Architecture, widths: NDArray[np.float64]) -> Architecture:
    heads, neurons = head_levels(teacher), neuron_levels(teacher)
    return teacher.with_layers(tuple(Layer(_nearest(heads, a), _nearest(neurons, f)) for a, f in widths))


def _nearest(levels: tuple[int, ...], share: float) -> int:
    """The level above 0 nearest to a share of the widest; 0 for a share of 0."""
    if share == 0:
        return 0
    return min(levels[1:], key=lambda level: abs(level - share * levels[-1]))
