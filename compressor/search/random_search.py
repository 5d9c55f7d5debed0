"""Random search: shapes that are drawn evenly from all feasible ones. What every cleverer search is held against."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from compressor.search.macro import Point, Shape


def random_search(
    points: Sequence[Point],
    evaluate: Callable[[Shape], float],
    more: Callable[[int], bool],
    random: np.random.Generator,
) -> Mapping[Shape, float]:
    """See `EpisodicSearch`; Li and Talwalkar 2019 (arXiv 1902.07638) on how hard it is to beat."""
    tried: dict[Shape, float] = {}
    for place in random.permutation(len(points)):
        if tried and not more(len(tried)):
            break
        shape = points[place].shape
        tried[shape] = evaluate(shape)
    return tried
