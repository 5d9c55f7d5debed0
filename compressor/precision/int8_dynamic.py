"""int8 with activations quantised at run time.

    MatMul(x, W)  ->  Cast(MatMulInteger(Q(x), Wq, zero(x)), float) * (scale(x) * scale(W))

    Q(x) = DynamicQuantizeLinear(x): uint8, one scale and zero point per tensor; one for all products that read x
    Wq   = round(W / scale(W)): int8 in [-127, 127], symmetric, scale(W) per output column = max |W_column| / 127

Jacob et al. 2018 (arXiv 1712.05877), eq. 1-4, with per-channel weights. Applies to products with a constant right-hand
matrix; products of two activations (attention scores and context) stay in float32.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compressor.precision.base import PassResult

LEVELS = 127


def quantise_weight(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weight [in, out] -> int8 [in, out] and scale [out]; a column of zeros gets scale 1."""
    largest = np.maximum(weight.max(axis=0), -weight.min(axis=0))
    scale = np.where(largest > 0, largest / LEVELS, 1.0).astype(np.float32)
    steps = weight / scale  # at most 127 and a rounding error, which the rounding takes away again
    return np.rint(steps, out=steps).astype(np.int8), scale


def int8_dynamic(model: onnx.ModelProto) -> PassResult:
    """Quantise every product with a constant matrix, in place."""
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
        self.constants: list[onnx.TensorProto] = []
        self.replaced: set[str] = set()

    def rewrite(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes that take the place of `node`."""
        weight = self._known.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or len(weight.dims) != 2:
            return [node]
        new: list[onnx.NodeProto] = []
        data, scale, zero = self._quantise_activation(node.input[0], new)
        weight_name, weight_scale = self._quantise_weight(weight)
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

    def _quantise_weight(self, weight: onnx.TensorProto) -> tuple[str, str]:
        names = (f"{weight.name}.int8", f"{weight.name}.int8_scale")
        if weight.name not in self.replaced:
            values, scale = quantise_weight(numpy_helper.to_array(weight))
            self.constants += [numpy_helper.from_array(values, names[0]), numpy_helper.from_array(scale, names[1])]
            self.replaced.add(weight.name)
        return names
