"""What an op asks of a processor: kernels with operations, bytes and shape, without any time.

    Product      out[copies, rows, columns] = x[copies, rows, inner] @ w[inner, columns]; 2 operations per multiply-add
    Elementwise  a pass over a tensor: a move or a sum, or a function (GELU, softmax, norm, quantising)

Which kernels an op has depends on how a runtime fuses it: `nodes.py` for CPUs, `fused.py` for GPUs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from compressor.records.architecture import OpKey, Precision
from compressor.records.promise import Workload

BYTES = {Precision.FP32: 4, Precision.INT8: 1, Precision.INT8_STATIC: 1}
FLOAT_BYTES = BYTES[Precision.FP32]


@dataclass(frozen=True)
class Product:
    """A matrix product, or several of one shape.

    Attributes:
        rows: Of the left matrix and of the result.
        inner: Columns of the left matrix.
        columns: Of the result.
        precision: Of the arithmetic.
        copies: Independent products, as batch x heads in attention.
        weight_bytes: Of the constants; 0 where both sides are activations.
        activation_bytes: Of what else is read and written.
    """

    rows: int
    inner: int
    columns: int
    precision: Precision
    copies: int = 1
    weight_bytes: int = 0
    activation_bytes: int = 0

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.copies * self.rows * self.inner * self.columns


@dataclass(frozen=True)
class Elementwise:
    """A pass over a tensor.

    Attributes:
        elements: That are computed.
        activation_bytes: Read and written.
        function: More than a move or a sum per element.
        launched: A kernel of its own; False where it runs inside that of a product.
    """

    elements: int
    activation_bytes: int
    function: bool = False
    launched: bool = True


Kernel = Product | Elementwise


@dataclass(frozen=True)
class Positions:
    """Positions that an op sees.

    Attributes:
        batch: Inputs at once.
        length: Positions of each that are read.
        computed: Positions of each that are computed: all, or the first.
    """

    batch: int
    length: int
    computed: int

    @property
    def tokens(self) -> int:
        """Rows that are read."""
        return self.batch * self.length

    @property
    def rows(self) -> int:
        """Rows that are computed."""
        return self.batch * self.computed


def positions(op: OpKey, workload: Workload) -> Positions:
    """Of an op at a workload; the stem embeds every position, whatever its head reads."""
    first_only = op.first_token and op.kind != "stem"
    return Positions(workload.batch, workload.sequence_length, 1 if first_only else workload.sequence_length)


def linear(rows: int, inner: int, columns: int, precision: Precision, activation: int = FLOAT_BYTES) -> Product:
    """Product with a constant matrix and its bias; int8 has a scale per column too.

    Args:
        rows: Of the input [rows, inner].
        inner: Of the matrix [inner, columns].
        columns: Of the matrix and the result [rows, columns].
        precision: Of the matrix.
        activation: Bytes per element of input and result.
    """
    vectors = 1 if precision is Precision.FP32 else 2
    weights = BYTES[precision] * inner * columns + vectors * FLOAT_BYTES * columns
    moved = activation * rows * (inner + columns)
    return Product(rows, inner, columns, precision, weight_bytes=weights, activation_bytes=moved)


def weight_bytes(kernels: Iterable[Kernel]) -> int:
    """Bytes of the constants that every run reads, so without embedding tables, of which it reads a few rows."""
    return sum(kernel.weight_bytes for kernel in kernels if isinstance(kernel, Product))
