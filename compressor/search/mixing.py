"""Mixed precision: the products that int8 hurts most go back to float32, until the accuracy budget holds.

Sensitivity is measured, sub-layer by sub-layer: how much smaller the divergence from the float32 model is when this
one is put back. The best per weight go first, since float32 takes longer per weight; of the sets in this order the
smallest that keeps the budget is found by bisection, and what it can do without is taken out again.
"""

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from operator import or_

import numpy as np

Products = Mapping[str, int]  # name -> size of its matrix
Groups = Mapping[str, tuple[str, ...]]

MOST_GROUPS = 32  # each is looked at by itself
# How the names of products begin: the sub-layer of a layer, the edge of a cell, or the aggregation that they are of.
SUB_LAYER = re.compile(r"(layer\d+\.[^.]+|cell\d+\.\d+\.\d+\.[^.]+|aggregation)\.")


def groups_of(products: Products) -> dict[str, tuple[str, ...]]:
    """Products by their sub-layer; in a graph that is not ours each by itself, or with its neighbours."""
    groups: dict[str, list[str]] = {}
    for name in products:
        found = SUB_LAYER.match(name)
        groups.setdefault(found.group(1) if found else name, []).append(name)
    if len(groups) <= MOST_GROUPS:
        return {group: tuple(names) for group, names in groups.items()}
    together = [list(map(str, part)) for part in np.array_split(np.array(list(groups)), MOST_GROUPS)]
    return {part[0]: tuple(name for group in part for name in groups[group]) for part in together}


def put_back(
    products: Products,
    divergence_of: Callable[[frozenset[str]], float],
    drop_of: Callable[[frozenset[str]], float],
    *,
    most_points: float,
    more: Callable[[], bool] = lambda: True,
) -> tuple[str, ...] | None:
    """Names of the products that must stay in float32, or None where even all but one group are not enough.

    Args:
        products: Of the model, with the sizes of their matrices.
        divergence_of: Of the model with these products in float32, from the model in float32.
        drop_of: Points that it loses.
        most_points: That may be lost.
        more: Whether there is time for another look at a group; groups that were not looked at stay in int8.
    """
    groups = groups_of(products)
    order = _order(groups, products, divergence_of, more)
    sets = list(accumulate((frozenset(groups[group]) for group in order), or_))
    if not sets or drop_of(sets[-1]) > most_points:
        return None
    low, high = -1, len(sets) - 1  # sets[high] keeps the budget, sets[low] does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if drop_of(sets[middle]) <= most_points else (middle, high)
    kept = sets[high]
    for group in sorted(order[:high], key=lambda group: -_size(groups[group], products)):
        without = kept - set(groups[group])
        if more() and drop_of(without) <= most_points:
            kept = without
    return tuple(name for name in products if name in kept)


def _order(
    groups: Groups, products: Products, divergence_of: Callable[[frozenset[str]], float], more: Callable[[], bool]
) -> list[str]:
    """The groups that help most per weight first; without the last, since that would be the model in float32."""
    whole, gains = divergence_of(frozenset()), dict[str, float]()
    for group, names in groups.items():
        if not more():
            break
        gains[group] = (whole - divergence_of(frozenset(names))) / _size(names, products)
    return sorted(gains, key=gains.__getitem__, reverse=True)[: len(groups) - 1]


def _size(names: tuple[str, ...], products: Products) -> int:
    return sum(products[name] for name in names)
