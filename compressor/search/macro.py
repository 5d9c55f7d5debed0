"""A space of plain shapes: how many layers, how wide, with how many heads and neurons, and which activation.

All layers of a shape are equal. Its points are few enough to be listed, each with its latency by the tables; a search
sees those within the limit alone, so that whatever it tries is feasible, and tells a few of them apart by training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import numpy as np

from compressor.records.architecture import Activation, Architecture, Layer

GENES = ("layers", "hidden", "heads", "neurons", "activation")


@dataclass(frozen=True)
class Shape:
    """A point of the space: `Shape(3, 192, 4, 256, "relu")`."""

    layers: int
    hidden: int
    heads: int
    neurons: int
    activation: Activation

    def __str__(self) -> str:
        """`3 x 4/256, hidden 192, relu`."""
        return f"{self.layers} x {self.heads}/{self.neurons}, hidden {self.hidden}, {self.activation}"

    def of(self, teacher: Architecture) -> Architecture:
        """The student's architecture."""
        layers = (Layer(self.heads, self.neurons),) * self.layers
        return narrowed_architecture(teacher, self.hidden, self.activation).with_layers(layers)


def narrowed_architecture(teacher: Architecture, hidden: int, activation: Activation) -> Architecture:
    """The teacher with another residual stream: tables of the same width, where the teacher's are not projected."""
    return replace(teacher, hidden=hidden, activation=activation)


@dataclass(frozen=True)
class Point:
    """A feasible shape and its median by the table, in microseconds."""

    shape: Shape
    predicted_us: float


def shapes_of(
    teacher: Architecture, hidden: Sequence[int], heads: Sequence[int], neurons: Sequence[int]
) -> Iterator[Shape]:
    """Every shape with these widths, with both activations and one layer to all of the teacher's."""
    depths = range(1, len(teacher.layers) + 1)
    activations: tuple[Activation, ...] = ("gelu", "relu")
    for genes in product(depths, hidden, heads, neurons, activations):
        yield Shape(*genes)


class EpisodicSearch(Protocol):
    """Finds a shape by trying some.

    Contract: deterministic given what it is given; every try is one of the points, none twice; it stops when `more`
    says so or all were tried.
    """

    def __call__(
        self,
        points: Sequence[Point],
        evaluate: Callable[[Shape], float],
        more: Callable[[int], bool],
        random: np.random.Generator,
    ) -> Mapping[Shape, float]:
        """Try shapes.

        Args:
            points: The feasible ones, at least one.
            evaluate: Trains one for a moment: its divergence from the teacher, the less the better.
            more: Whether there is time for one more, given how many were tried.
            random: Source of all draws.

        Returns:
            What was tried, with its divergence; at least one.
        """
