"""Every op that the search may choose, and those of them that a table measures."""

from collections.abc import Sequence

from compressor.encoder import AGGREGATIONS, IDENTITY
from compressor.latency.ops import attention_op, block_op, feed_forward_op, join_op, stem_op
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.space import head_levels, neuron_levels
from compressor.space.cells import CANDIDATES, EDGES

# Of the widths of an op, those that are measured; kernels are linear in the width between them. Dense where the small
# students live and the overhead of a call bends the curve.
MEASURED_WIDTHS = 8


def candidate_ops(teacher: Architecture, precision: Precision) -> tuple[OpKey, ...]:
    """Stem, attention of 1..H heads and feed-forward of every level, for all positions and for the first only.

    A per-token model has no op for the first position only. Of a space without layers: the ops of its cells.
    """
    if not teacher.layers:
        return _cell_ops(teacher, precision)
    return _ops(teacher, precision, head_levels(teacher), neuron_levels(teacher))


def measured_ops(teacher: Architecture, precision: Precision) -> tuple[OpKey, ...]:
    """The candidates that a table measures: of each op the smallest and the largest width, and some between them."""
    if not teacher.layers:
        return _cell_ops(teacher, precision)
    return _ops(teacher, precision, _thinned(head_levels(teacher)), _thinned(neuron_levels(teacher)))


def _thinned(levels: Sequence[int]) -> list[int]:
    """At most `MEASURED_WIDTHS` of the levels above 0, evenly spaced in their order."""
    widths = [level for level in levels if level]
    if len(widths) <= MEASURED_WIDTHS:
        return widths
    step = (len(widths) - 1) / (MEASURED_WIDTHS - 1)
    return [widths[round(index * step)] for index in range(MEASURED_WIDTHS)]


def _ops(
    teacher: Architecture, precision: Precision, heads: Sequence[int], neurons: Sequence[int]
) -> tuple[OpKey, ...]:
    ops = [stem_op(teacher, precision)]
    for first_token in (False,) if teacher.per_token else (False, True):
        ops += [attention_op(teacher, h, precision, first_token=first_token) for h in heads if h]
        ops += [feed_forward_op(teacher, n, precision, first_token=first_token) for n in neurons if n]
    return tuple(ops)


def _cell_ops(space: Architecture, precision: Precision) -> tuple[OpKey, ...]:
    """Every block that takes time, the joins, and the aggregations where one is needed."""
    names = [name for name in CANDIDATES if name != IDENTITY] + ([] if space.per_token else list(AGGREGATIONS))
    joins = [join_op(space, edges, precision) for edges in range(1, EDGES + 1)]
    return (stem_op(space, precision), *(block_op(space, name, precision) for name in names), *joins)
