"""The kernels of an op as TensorRT runs it on a GPU, fused.

    attention     Q, K and V in one product; scores, softmax and context in one kernel; product; residual and norm
    feed-forward  product with bias and activation; product; residual and norm

As the plugins of NVIDIA's demoBERT do (NVIDIA/TensorRT demo/BERT/README.md). With int8, activations and attention are
int8 too, calibrated ahead of time: quantising is part of the kernel in front.
"""

from compressor.latency.work import BYTES, Elementwise, Kernel, Positions, Product, linear, positions
from compressor.records.architecture import Architecture, OpKey
from compressor.records.promise import Workload


def fused_kernels(shape: Architecture, op: OpKey, workload: Workload) -> tuple[Kernel, ...]:
    """Kernels of an op.

    Args:
        shape: Of the teacher: everything that the op itself does not say.
        op: Attention, feed-forward or stem.
        workload: Batch and length.
    """
    makers = {"stem": _stem, "attention": _attention, "feed_forward": _feed_forward}
    return tuple(makers[op.kind](shape, op, positions(op, workload)))


def _pass(op: OpKey, elements: int, tensors: int) -> Elementwise:
    """A kernel that reads and writes so many tensors of this size."""
    return Elementwise(elements, tensors * BYTES[op.precision] * elements, function=True)


def _linear(op: OpKey, rows: int, inner: int, columns: int) -> Product:
    return linear(rows, inner, columns, op.precision, BYTES[op.precision])


def _attention(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    inner, hidden = op.width * op.head_size, op.hidden
    closing = _pass(op, at.rows * hidden, 3)
    if not op.first_token:
        output = _linear(op, at.rows, inner, hidden)
        return [_linear(op, at.rows, hidden, 3 * inner), _scores(shape, op, at), output, closing]
    heads = at.batch * op.width
    asked = [_linear(op, at.rows, hidden, inner), _linear(op, heads, inner, hidden)]
    values = [_linear(op, heads, hidden, inner), _linear(op, at.rows, inner, hidden)]
    return [*asked, _scores_of_first(shape, op, at), *values, closing]


def _scores(shape: Architecture, op: OpKey, at: Positions) -> Product:
    """Scores and context, which together take as much as a product over twice the length; scores stay on the chip."""
    copies, size = at.batch * op.width, BYTES[op.precision]
    moved = size * copies * 4 * at.length * op.head_size
    if shape.relative_buckets:
        moved += size * op.width * at.length * at.length
    return Product(at.length, 2 * at.length, op.head_size, op.precision, copies, activation_bytes=moved)


def _scores_of_first(shape: Architecture, op: OpKey, at: Positions) -> Product:
    """The same of one query per head against the hidden states themselves."""
    size = BYTES[op.precision]
    moved = size * at.batch * (2 * op.width + at.length) * op.hidden
    if shape.relative_buckets:
        moved += size * op.width * at.length
    return Product(op.width, 2 * at.length, op.hidden, op.precision, at.batch, activation_bytes=moved)


def _feed_forward(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    del shape
    inner, output = _linear(op, at.rows, op.hidden, op.width), _linear(op, at.rows, op.width, op.hidden)
    return [inner, output, _pass(op, at.rows * op.hidden, 3)]


def _stem(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    width = shape.embedding or shape.hidden
    tables = 3 if shape.token_types else 2
    embedded: list[Kernel] = [_pass(op, at.tokens * width, tables + 1), _pass(op, at.tokens, 2)]  # and the mask
    if shape.embedding:
        embedded.append(_linear(op, at.tokens, width, shape.hidden))
    if shape.per_token:
        return [*embedded, _linear(op, at.tokens, shape.hidden, shape.classes)]
    pooler, classifier = (_linear(op, at.batch, shape.hidden, n) for n in (shape.hidden, shape.classes))
    return [*embedded, pooler, classifier]
