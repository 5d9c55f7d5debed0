"""Which ops an architecture runs; the sum of their costs is its predicted latency."""

from collections.abc import Iterator

from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.cells import IDENTITY, Cells

STEM, ATTENTION, FEED_FORWARD, JOIN = "stem", "attention", "feed_forward", "join"


def stem_op(shape: Architecture, precision: Precision) -> OpKey:
    """Everything outside the layers: embeddings, mask, head and the call of the runtime itself."""
    return OpKey(STEM, 0, shape.hidden, 0, "", precision, first_token=not shape.per_token)


def attention_op(shape: Architecture, heads: int, precision: Precision, *, first_token: bool) -> OpKey:
    """An attention sub-layer with its residual and norm."""
    return OpKey(ATTENTION, heads, shape.hidden, shape.head_size, "", precision, first_token)


def feed_forward_op(shape: Architecture, neurons: int, precision: Precision, *, first_token: bool) -> OpKey:
    """A feed-forward sub-layer with its residual and norm."""
    return OpKey(FEED_FORWARD, neurons, shape.hidden, 0, shape.activation, precision, first_token)


def block_op(shape: Architecture, block: str, precision: Precision) -> OpKey:
    """A block of a cell, or the aggregation behind the last."""
    return OpKey(block, 0, shape.hidden, 0, "", precision, first_token=False)


def join_op(shape: Architecture, edges: int, precision: Precision) -> OpKey:
    """The sum of so many edges and the norm of a node."""
    return OpKey(JOIN, edges, shape.hidden, 0, "", precision, first_token=False)


def operations(shape: Architecture, precision: Precision) -> tuple[OpKey, ...]:
    """The ops of an architecture, from input to output, with the stem first; an identity takes no time and is none."""
    if shape.cells is not None:
        return (stem_op(shape, precision), *_cell_operations(shape, shape.cells, precision))
    first_token_from = shape.first_token_from
    ops = [stem_op(shape, precision)]
    for index, layer in enumerate(shape.layers):
        if layer.heads:
            ops.append(attention_op(shape, layer.heads, precision, first_token=index == first_token_from))
        if layer.neurons:
            ops.append(feed_forward_op(shape, layer.neurons, precision, first_token=index >= first_token_from))
    return tuple(ops)


def _cell_operations(shape: Architecture, cells: Cells, precision: Precision) -> Iterator[OpKey]:
    for _ in range(cells.stacked):
        for node in cells.nodes:
            yield from (block_op(shape, edge.block, precision) for edge in node if edge.block != IDENTITY)
            yield join_op(shape, len(node), precision)
    if cells.aggregation:
        yield block_op(shape, cells.aggregation, precision)
