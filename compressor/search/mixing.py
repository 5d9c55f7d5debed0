"""Mixed precision: the products that int8 hurts most go back to float32, until the accuracy budget holds.

Sensitivity is measured, sub-layer by sub-layer: how much smaller the divergence from the float32 model is when this
one is put back. The best per weight go first, since float32 takes longer per weight; the first set that keeps the
budget is taken, so it is the cheapest of this order.
"""

import re
from collections.abc import Callable, Mapping

Products = Mapping[str, int]  # name -> size of its matrix
# How the names of products begin: the sub-layer of a layer, the edge of a cell, or the aggregation that they are of.
SUB_LAYER = re.compile(r"(layer\d+\.[^.]+|cell\d+\.\d+\.\d+\.[^.]+|aggregation)\.")


def groups_of(products: Products) -> dict[str, tuple[str, ...]]:
    """Products by the sub-layer that they belong to; in a graph that is not ours each by itself."""
    groups: dict[str, list[str]] = {}
    for name in products:
        found = SUB_LAYER.match(name)
        groups.setdefault(found.group(1) if found else name, []).append(name)
    return {group: tuple(names) for group, names in groups.items()}


def put_back(
    products: Products,
    divergence_of: Callable[[frozenset[str]], float],
    drop_of: Callable[[frozenset[str]], float],
    *,
    most_points: float,
) -> tuple[str, ...] | None:
    """Names of the products that must stay in float32, or None where even all but one group are not enough.

    Args:
        products: Of the model, with the sizes of their matrices.
        divergence_of: Of the model with these products in float32, from the model in float32.
        drop_of: Points that it loses.
        most_points: That may be lost.
    """
    groups = groups_of(products)
    whole = divergence_of(frozenset())
    gains = {
        group: (whole - divergence_of(frozenset(names))) / sum(products[name] for name in names)
        for group, names in groups.items()
    }
    kept: frozenset[str] = frozenset()
    for group in sorted(gains, key=gains.__getitem__, reverse=True)[:-1]:
        kept |= set(groups[group])
        if drop_of(kept) <= most_points:
            return tuple(name for name in products if name in kept)
    return None
