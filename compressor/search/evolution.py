"""Evolution: the best of a few tried shapes is changed in one gene, or crossed with another (Real et al. 2019).

Regularised evolution (arXiv 1802.01548, algorithm 1) with crossover as in HAT (Wang et al. 2020, arXiv 2005.14187).
Children that are over the limit or were tried become the nearest feasible shape that was not, so none is lost.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from compressor.search.features import distances, features
from compressor.search.macro import GENES, Point, Shape

POPULATION, SAMPLE = 8, 3
CROSSED = 0.4  # share of the children with two parents


def evolution(
    points: Sequence[Point],
    evaluate: Callable[[Shape], float],
    more: Callable[[int], bool],
    random: np.random.Generator,
) -> Mapping[Shape, float]:
    """See `EpisodicSearch`."""
    left = {point.shape: point for point in points}
    tried: dict[Shape, float] = {}
    while left and (not tried or more(len(tried))):
        if len(tried) < POPULATION:
            shape = points[int(random.choice([i for i, p in enumerate(points) if p.shape in left]))].shape
        else:
            shape = nearest(_child(list(tried.items())[-4 * POPULATION :], points, random), list(left.values()))
        del left[shape]
        tried[shape] = evaluate(shape)
    return tried


def _child(tried: list[tuple[Shape, float]], points: Sequence[Point], random: np.random.Generator) -> Shape:
    """Of the best of a sample of the last that were tried."""
    parent = _tournament(tried, random)
    genes = {name: getattr(parent, name) for name in GENES}
    if random.random() < CROSSED:
        other = _tournament(tried, random)
        genes |= {name: getattr(other, name) for name in GENES if random.random() < 0.5}
    else:
        name = str(random.choice(GENES))
        values = sorted({getattr(point.shape, name) for point in points} - {genes[name]})
        if values:
            genes[name] = values[int(random.integers(len(values)))]
    return Shape(**genes)


def _tournament(tried: list[tuple[Shape, float]], random: np.random.Generator) -> Shape:
    drawn = [tried[int(place)] for place in random.integers(len(tried), size=SAMPLE)]
    return min(drawn, key=lambda pair: pair[1])[0]


def nearest(shape: Shape, points: Sequence[Point]) -> Shape:
    """The point whose genes are nearest, in steps of doubling."""
    return points[int(distances(features([shape]), features([p.shape for p in points]))[0].argmin())].shape
