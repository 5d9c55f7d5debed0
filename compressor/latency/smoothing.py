"""Costs that never fall as the width grows; without this a search picks the entries whose noise was lucky."""

from collections.abc import Sequence
from dataclasses import replace

from compressor.records.architecture import OpKey
from compressor.records.latency import Measured, TableEntry


def smooth(entries: Sequence[TableEntry]) -> tuple[TableEntry, ...]:
    """Isotonic regression of each op's costs over its widths, weighted by 1 / error^2; never cheaper uncached."""
    groups: dict[OpKey, list[int]] = {}
    for index, entry in enumerate(entries):
        groups.setdefault(replace(entry.op, width=0), []).append(index)
    result = list(entries)
    for indices in groups.values():
        indices.sort(key=lambda i: entries[i].op.width)
        cached = _monotone([entries[i].cached for i in indices])
        uncached = _monotone([entries[i].uncached for i in indices])
        for i, near, far in zip(indices, cached, uncached, strict=True):
            far = replace(far, value_us=max(far.value_us, near.value_us))
            result[i] = replace(entries[i], cached=near, uncached=far)
    return tuple(result)


def _monotone(costs: list[Measured]) -> list[Measured]:
    weights = [1 / max(cost.standard_error_us, 0.01) ** 2 for cost in costs]
    fitted = isotonic([cost.value_us for cost in costs], weights)
    return [replace(cost, value_us=value) for cost, value in zip(costs, fitted, strict=True)]


def isotonic(values: list[float], weights: list[float]) -> list[float]:
    """The non-decreasing sequence with the least weighted squared distance from `values`.

    Pool-adjacent-violators (Ayer et al. 1955).
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (m2, w2, n2), (m1, w1, n1) = pools.pop(), pools.pop()
            pools.append(((m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2))
    return [mean for mean, _, length in pools for _ in range(length)]
