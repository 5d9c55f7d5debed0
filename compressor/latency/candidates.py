"""Every op that the search may choose, which is what a table has to cover."""

from compressor.latency.ops import attention_op, feed_forward_op, stem_op
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.space import head_levels, neuron_levels


def candidate_ops(teacher: Architecture, precision: Precision) -> tuple[OpKey, ...]:
    """Stem, attention of 1..H heads and feed-forward of every level, for all positions and for the first only.

    A per-token model has no op for the first position only.
    """
    ops = [stem_op(teacher, precision)]
    for first_token in (False,) if teacher.per_token else (False, True):
        ops += [attention_op(teacher, h, precision, first_token=first_token) for h in head_levels(teacher) if h]
        ops += [feed_forward_op(teacher, n, precision, first_token=first_token) for n in neuron_levels(teacher) if n]
    return tuple(ops)
