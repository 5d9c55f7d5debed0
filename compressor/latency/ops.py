"""Which ops an architecture runs; the sum of their costs is its predicted latency."""

from compressor.records.architecture import Architecture, OpKey, Precision


def stem_op(shape: Architecture, precision: Precision) -> OpKey:
    """Everything outside the layers: embeddings, mask, head and the call of the runtime itself."""
    return OpKey("stem", 0, shape.hidden, 0, "", precision, first_token=not shape.per_token)


def attention_op(shape: Architecture, heads: int, precision: Precision, *, first_token: bool) -> OpKey:
    """An attention sub-layer with its residual and norm."""
    return OpKey("attention", heads, shape.hidden, shape.head_size, "", precision, first_token)


def feed_forward_op(shape: Architecture, neurons: int, precision: Precision, *, first_token: bool) -> OpKey:
    """A feed-forward sub-layer with its residual and norm."""
    return OpKey("feed_forward", neurons, shape.hidden, 0, shape.activation, precision, first_token)


def operations(shape: Architecture, precision: Precision) -> tuple[OpKey, ...]:
    """The ops of an architecture, from input to output, with the stem first."""
    first_token_from = shape.first_token_from
    ops = [stem_op(shape, precision)]
    for index, layer in enumerate(shape.layers):
        if layer.heads:
            ops.append(attention_op(shape, layer.heads, precision, first_token=index == first_token_from))
        if layer.neurons:
            ops.append(feed_forward_op(shape, layer.neurons, precision, first_token=index >= first_token_from))
    return tuple(ops)
