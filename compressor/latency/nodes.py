"""The kernels of an op as ONNX Runtime runs it on a CPU: one per node that its optimiser leaves of our graphs.

Activations are float32; int8 products quantise theirs in the same node, except the first of several that share them.
A test counts nodes, operations and constants against the emitted graphs.
"""

from compressor.latency.work import FLOAT_BYTES, Elementwise, Kernel, Positions, Product, linear, positions
from compressor.precision.int8_weights import LEAST_ROWS
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.promise import Workload


def node_kernels(shape: Architecture, op: OpKey, workload: Workload) -> tuple[Kernel, ...]:
    """Kernels of an op.

    Args:
        shape: Of the teacher: everything that the op itself does not say.
        op: Attention, feed-forward or stem.
        workload: Batch and length.
    """
    makers = {"stem": _stem, "attention": _attention, "feed_forward": _feed_forward}
    return tuple(makers[op.kind](shape, op, positions(op, workload)))


def _pass(elements: int, tensors: int = 2, *, function: bool = False) -> Elementwise:
    """A node that reads and writes so many float32 tensors of this size."""
    return Elementwise(elements, tensors * FLOAT_BYTES * elements, function)


def _view() -> Elementwise:
    """A node that only changes a shape."""
    return Elementwise(0, 0)


def _linear(rows: int, inner: int, columns: int, precision: Precision) -> list[Kernel]:
    """Product and bias: one node in int8, with the quantising of its input; two in float32."""
    product = linear(rows, inner, columns, precision)
    if precision is Precision.INT8:
        quantised = Elementwise(rows * inner, (FLOAT_BYTES + 1) * rows * inner, function=True, launched=False)
        return [quantised, product]
    return [product, _pass(rows * columns)]


def _closing(elements: int) -> list[Kernel]:
    """Residual and norm."""
    return [_pass(elements, 3), _pass(elements, function=True)]


def _attention(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    inner, precision = op.width * op.head_size, op.precision
    read = _first_token(shape, op, at) if op.first_token else _all_positions(shape, op, at)
    return [*read, *_linear(at.rows, inner, op.hidden, precision), *_closing(at.rows * op.hidden)]


def _all_positions(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    """What the output projection reads: projections, scores, mask, softmax and context per head, in float32."""
    inner = op.width * op.head_size
    projections = [*_linear(at.rows, op.hidden, 3 * inner, op.precision), _pass(3 * at.rows * inner)]
    heads = [_view(), _view(), _view(), *(_pass(at.rows * inner) for _ in range(3))]
    copies, size = at.batch * op.width, op.head_size
    elements = copies * at.length * at.length
    moved = FLOAT_BYTES * copies * (2 * at.length * size + at.length * at.length)
    scores = Product(at.length, size, at.length, Precision.FP32, copies, activation_bytes=moved)
    context = Product(at.length, at.length, size, Precision.FP32, copies, activation_bytes=moved)
    bias = op.width * at.length * at.length
    relative: list[Kernel] = [_pass(bias), _pass(elements)] if shape.relative_buckets else []
    softmax = [_pass(elements), _pass(elements, function=True)]
    return [*projections, *heads, scores, *relative, *softmax, context, _pass(at.rows * inner), _view()]


def _first_token(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    """The same for one query per head, whose keys and values are never made."""
    inner, hidden, heads = op.width * op.head_size, op.hidden, at.batch * op.width
    query = [_pass(at.rows * hidden), *_linear(at.rows, hidden, inner, op.precision), _pass(heads * inner)]
    asked = _linear(heads, inner, hidden, op.precision)[: 1 + (op.precision is Precision.INT8)]  # without a bias
    elements = heads * at.length
    moved = FLOAT_BYTES * (heads * hidden + at.tokens * hidden + elements)
    scores = Product(at.length, hidden, op.width, Precision.FP32, at.batch, activation_bytes=moved)
    context = Product(op.width, at.length, hidden, Precision.FP32, at.batch, activation_bytes=moved)
    bias = op.width * at.length
    relative: list[Kernel] = [_pass(bias), _pass(elements), _view()] if shape.relative_buckets else []
    softmax = [_pass(elements), _pass(elements), _pass(elements, function=True)]
    values = [*_linear(heads, hidden, inner, op.precision), _pass(heads * inner), _pass(heads * inner)]
    return [*query, *asked, scores, *relative, *softmax, context, *values]


def _feed_forward(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    del shape
    precision, elements = op.precision, at.rows * op.width
    inner = _linear(at.rows, op.hidden, op.width, precision)
    if op.activation == "gelu" and precision is Precision.FP32:
        inner.pop()  # the runtime fuses bias and GELU
    active = _pass(elements, function=op.activation == "gelu")
    output = _linear(at.rows, op.width, op.hidden, precision)
    return [*inner, active, *output, *_closing(at.rows * op.hidden)]


def _stem(shape: Architecture, op: OpKey, at: Positions) -> list[Kernel]:
    width = shape.embedding or shape.hidden
    elements, narrow = at.tokens * width, at.tokens * (shape.word_rank or width)
    tables = 2 + (2 if shape.token_types else 0)  # gather and position; gather and sum of the token types
    embedded: list[Kernel] = [*(_pass(elements) for _ in range(tables)), _pass(elements, function=True)]
    if op.precision is Precision.INT8 and shape.vocabulary >= LEAST_ROWS:
        embedded += [_pass(narrow), _pass(narrow), _pass(at.tokens)]  # to float, times the rows' scales
    if shape.word_rank:
        embedded += _linear(at.tokens, shape.word_rank, width, op.precision)[: 1 + (op.precision is Precision.INT8)]
    if shape.embedding:
        embedded += _linear(at.tokens, width, shape.hidden, op.precision)
    lookups = [_view(), _view()]  # the length, and the rows of the position table
    mask = [_pass(at.tokens), _pass(at.tokens), _pass(at.tokens), _view()]
    if shape.per_token:
        return [*embedded, *lookups, *mask, *_linear(at.tokens, shape.hidden, shape.classes, op.precision)]
    pooled = at.batch * shape.hidden
    pooler = linear(at.batch, shape.hidden, shape.hidden, Precision.FP32)
    classifier = linear(at.batch, shape.hidden, shape.classes, Precision.FP32)
    joined = shape.head_activation != "gelu"  # the runtime fuses the others into the product in front
    active = Elementwise(pooled, 2 * FLOAT_BYTES * pooled, function=True, launched=not joined)
    head: list[Kernel] = [_pass(pooled), _view(), pooler, active, classifier]
    return [*embedded, *lookups, *mask, *head]
