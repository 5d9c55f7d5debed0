"""int8 with activations quantised at run time, and embedding tables in int8.

    MatMul(x, W)  ->  Cast(MatMulInteger(Q(x), Wq, zero(x)), float) * (scale(x) * scale(W))

    Q(x) = DynamicQuantizeLinear(x): uint8, one scale and zero point per tensor; one for all products that read x
    Wq   = round(W / scale(W)): int8 in [-127, 127], symmetric, scale(W) per output column = max |W_column| / 127

    Gather(T, ids)  ->  Cast(Gather(Tq, ids), float) * Gather(scale(T), ids)

    Tq = round(T / scale(T)): as Wq, with a scale per row, as rows are what is read

Jacob et al. 2018 (arXiv 1712.05877), eq. 1-4, with per-channel weights. Applies to products with a constant right-hand
matrix; products of two activations (attention scores and context) stay in float32. A table is most of what a small
model weighs on disk: 47 of 54 MB for 30,522 words of width 384.
"""

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compressor.precision.base import PassResult

Quantiser = Callable[[NDArray[np.float32]], tuple[NDArray[np.int8], NDArray[np.float32]]]
LEVELS = 127
# Smaller tables weigh less than the nodes that reading them in int8 takes.
LEAST_ROWS = 1024


def quantise_weight(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weight [in, out] -> int8 [in, out] and scale [out]; a column of zeros gets scale 1."""
    largest = np.maximum(weight.max(axis=0), -weight.min(axis=0))
    scale = np.where(largest > 0, largest / LEVELS, 1.0).astype(np.float32)
    steps = weight / scale  # at most 127 and a rounding error, which the rounding takes away again
    return np.rint(steps, out=steps).astype(np.int8), scale


def quantise_table(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Table [rows, width] -> int8 [rows, width] and scale [rows, 1]; a row of zeros gets scale 1."""
    values, scale = quantise_weight(table.T)
    return np.ascontiguousarray(values.T), scale[:, None]


def int8_dynamic(model: onnx.ModelProto) -> PassResult:
    """Quantise every product with a constant matrix and every large table, in place."""
    graph = model.graph
    rewriter = _Rewriter({tensor.name: tensor for tensor in graph.initializer})
    nodes = [new for node in graph.node for new in rewriter.rewrite(node)]
    read = {name for node in nodes for name in node.input}  # an embedding may share a product's matrix
    del graph.node[:]
    graph.node.extend(nodes)
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name in rewriter.replaced - read:
            del graph.initializer[index]
    graph.initializer.extend(rewriter.constants)
    return PassResult(model, modified=bool(rewriter.replaced))


class _Rewriter:
    """Rewrites one node after the other and remembers which activations are quantised already."""

    def __init__(self, constants: dict[str, onnx.TensorProto]) -> None:
        self._known = constants
        self._activations: dict[str, list[str]] = {}
        self._made: set[str] = set()
        self.constants: list[onnx.TensorProto] = []
        self.replaced: set[str] = set()

    def rewrite(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes that take the place of `node`."""
        table = self._matrix(node, "Gather", 0)
        if table is not None and table.dims[0] >= LEAST_ROWS and not any(a.i for a in node.attribute):  # axis 0
            return self._look_up(node, table)
        weight = self._matrix(node, "MatMul", 1)
        return [node] if weight is None else self._multiply(node, weight)

    def _matrix(self, node: onnx.NodeProto, operator: str, place: int) -> onnx.TensorProto | None:
        """The constant float32 matrix that such a node reads there."""
        found = self._known.get(node.input[place]) if node.op_type == operator else None
        is_matrix = found is not None and len(found.dims) == 2 and found.data_type == TensorProto.FLOAT
        return found if is_matrix else None

    def _look_up(self, node: onnx.NodeProto, table: onnx.TensorProto) -> list[onnx.NodeProto]:
        values, scale = self._quantise(table, quantise_table)
        ids, out = node.input[1], node.output[0]
        return [
            helper.make_node("Gather", [values, ids], [f"{out}.integer"], name=f"{out}.integer"),
            helper.make_node("Cast", [f"{out}.integer"], [f"{out}.cast"], name=f"{out}.cast", to=TensorProto.FLOAT),
            helper.make_node("Gather", [scale, ids], [f"{out}.step"], name=f"{out}.step"),
            helper.make_node("Mul", [f"{out}.cast", f"{out}.step"], [out], name=out),
        ]

    def _multiply(self, node: onnx.NodeProto, weight: onnx.TensorProto) -> list[onnx.NodeProto]:
        new: list[onnx.NodeProto] = []
        data, scale, zero = self._quantise_activation(node.input[0], new)
        weight_name, weight_scale = self._quantise(weight, quantise_weight)
        out = node.output[0]
        new += [
            helper.make_node("MatMulInteger", [data, weight_name, zero], [f"{out}.integer"], name=f"{out}.integer"),
            helper.make_node("Cast", [f"{out}.integer"], [f"{out}.cast"], name=f"{out}.cast", to=TensorProto.FLOAT),
            helper.make_node("Mul", [scale, weight_scale], [f"{out}.step"], name=f"{out}.step"),
            helper.make_node("Mul", [f"{out}.cast", f"{out}.step"], [out], name=out),
        ]
        return new

    def _quantise_activation(self, name: str, new: list[onnx.NodeProto]) -> list[str]:
        if name not in self._activations:
            outputs = [f"{name}.{part}" for part in ("quantised", "scale", "zero_point")]
            new.append(helper.make_node("DynamicQuantizeLinear", [name], outputs, name=outputs[0]))
            self._activations[name] = outputs
        return self._activations[name]

    def _quantise(self, tensor: onnx.TensorProto, how: Quantiser) -> tuple[str, str]:
        """Names of values and scale; a matrix that is both multiplied with and looked up has two of each."""
        suffix = "int8" if how is quantise_weight else "int8_rows"
        names = (f"{tensor.name}.{suffix}", f"{tensor.name}.{suffix}_scale")
        if names[0] not in self._made:
            values, scale = how(numpy_helper.to_array(tensor))
            self.constants += [numpy_helper.from_array(values, names[0]), numpy_helper.from_array(scale, names[1])]
            self._made.add(names[0])
            self.replaced.add(tensor.name)
        return names
