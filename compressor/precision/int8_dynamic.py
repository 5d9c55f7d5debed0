"""int8 with activations quantised at run time.

    MatMul(x, W)  ->  Cast(MatMulInteger(Q(x), Wq, zero(x)), float) * (scale(x) * scale(W))

    Q(x) = DynamicQuantizeLinear(x): uint8, one scale and zero point per tensor; one for all products that read x
    Wq and scale(W): see `int8_weights`, where embedding tables are quantised too

Jacob et al. 2018 (arXiv 1712.05877), eq. 1-4, with per-channel weights. Applies to products with a constant right-hand
matrix; products of two activations (attention scores and context) stay in float32.
"""

import onnx
from onnx import TensorProto, helper, numpy_helper

from compressor.precision.base import PassResult
from compressor.precision.int8_weights import LEVELS, matrices, quantise_tables, quantise_weight, replace_nodes


def int8_dynamic(model: onnx.ModelProto, kept: frozenset[str] = frozenset(), levels: int = LEVELS) -> PassResult:
    """Quantise every product with a constant matrix and every large table, in place.

    Args:
        model: In float32.
        kept: Names of products that stay as they are.
        levels: As of `quantise`.
    """
    graph = model.graph
    tables = quantise_tables(graph)
    rewriter = _Rewriter(graph, kept, levels)
    replace_nodes(graph, [new for node in graph.node for new in rewriter.rewrite(node)])
    return PassResult(model, modified=tables or bool(rewriter.products), products=rewriter.products)


class _Rewriter:
    """Rewrites one node after the other and remembers which activations are quantised already."""

    def __init__(self, graph: onnx.GraphProto, kept: frozenset[str], levels: int) -> None:
        self._graph, self._known, self._kept, self._levels = graph, matrices(graph), kept, levels
        self._activations: dict[str, list[str]] = {}
        self._replaced: set[str] = set()
        self.products = 0

    def rewrite(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes that take the place of `node`."""
        weight = self._known.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or node.output[0] in self._kept:
            return [node]
        self.products += 1
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
        if weight.name not in self._replaced:
            values, scale = quantise_weight(numpy_helper.to_array(weight), self._levels)
            self._graph.initializer.extend(
                [numpy_helper.from_array(values, names[0]), numpy_helper.from_array(scale, names[1])]
            )
            self._replaced.add(weight.name)
        return names
