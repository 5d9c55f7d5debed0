"""Random search problems and their solution by enumeration, which knows nothing of how a search works."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from tables import table_of

from compressor.latency import attention_op, estimate, feed_forward_op, operations, stem_op
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import Measured
from compressor.records.score import LayerScore, ScoredSpace, UnitScore
from compressor.search import SearchProblem

PRECISION = Precision.INT8


def problem(
    seed: int,
    *,
    layers: int = 3,
    heads: tuple[int, ...] = (0, 1, 3),
    neurons: tuple[int, ...] = (0, 16, 48),
    limit_share: float = 0.5,
    per_token: bool = False,
) -> SearchProblem:
    """Random costs that rise with the width and are lower for the first token, random damages that fall with it.

    Args:
        seed: Of everything.
        layers: Of the teacher.
        heads: Levels.
        neurons: Levels.
        limit_share: The limit as a share of the teacher's cost.
        per_token: Of the teacher; then there are no costs for the first token.
    """
    random = np.random.default_rng(seed)
    teacher = Architecture((Layer(heads[-1], neurons[-1]),) * layers, 16, 8, 50, 12, 2, 2, per_token=per_token)
    costs = {stem_op(teacher, PRECISION): random.uniform(5, 20)}
    for make, levels in ((attention_op, heads), (feed_forward_op, neurons)):
        for first_token in (False,) if per_token else (False, True):
            rising = np.sort(random.uniform(10, 100, size=len(levels))) * (0.4 if first_token else 1.0)
            for width, cost in zip(levels, rising, strict=True):
                if width:
                    costs[make(teacher, width, PRECISION, first_token=first_token)] = cost
    table = table_of(teacher, {op: Measured(float(cost), 0.1, 100) for op, cost in costs.items()})

    def units(levels: tuple[int, ...]) -> UnitScore:
        damage = (*(float(x) for x in -np.sort(-random.exponential(size=len(levels) - 1))), 0.0)
        return UnitScore(tuple(range(levels[-1])), levels, damage)

    space = ScoredSpace(tuple(LayerScore(units(heads), units(neurons)) for _ in range(layers)))
    limit_us = limit_share * estimate(table, teacher).value_us
    return SearchProblem(teacher, space, table, limit_us)


def architectures(task: SearchProblem) -> Iterator[tuple[Layer, ...]]:
    """All widths with at least one attention head."""
    every = itertools.product(
        *([Layer(h, n) for h in score.heads.levels for n in score.neurons.levels] for score in task.space.layers)
    )
    return (widths for widths in every if any(layer.heads for layer in widths))


def damage(task: SearchProblem, widths: tuple[Layer, ...]) -> float:
    """Summed damage of widths."""
    pairs = [
        pair
        for score, w in zip(task.space.layers, widths, strict=True)
        for pair in ((score.heads, w.heads), (score.neurons, w.neurons))
    ]
    return sum(units.damage[units.levels.index(width)] for units, width in pairs)


def cost_us(task: SearchProblem, widths: tuple[Layer, ...]) -> float:
    """Cost of the student with these widths, as the latency package predicts it."""
    return estimate(task.table, task.source.with_layers(widths)).value_us


def fits(task: SearchProblem, widths: tuple[Layer, ...], *, bins: int | None = None) -> bool:
    """Whether the cost is within the limit; with `bins`, each sub-layer rounded up to budget / bins."""
    if bins is None:
        return cost_us(task, widths) <= task.limit_us
    stem, *rest = operations(task.source.with_layers(widths), task.table.precision)
    budget = task.limit_us - task.cost_us(stem)
    if budget <= 0:
        return False
    return sum(math.ceil(task.cost_us(op) / budget * bins - 1e-9) for op in rest) <= bins


def least_damage(task: SearchProblem, *, bins: int | None = None) -> float:
    """By enumeration; infinite where nothing fits."""
    return min((damage(task, w) for w in architectures(task) if fits(task, w, bins=bins)), default=math.inf)
