"""int8 with activations quantised by constants that were measured on text: what runtimes with fused kernels want.

    MatMul(x, W)  ->  MatMul(DequantizeLinear(QuantizeLinear(x)), DequantizeLinear(Wq))

    QuantizeLinear(x) uint8 with the scale and zero point of x's range; one for all products that read x
    Wq: see `int8_weights`, where embedding tables are quantised too

Nothing depends on what shares a batch, and the runtime need not look for the largest value of every tensor in every
run. Products of two activations stay in float32.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compressor.precision.base import PassResult
from compressor.precision.int8_weights import LEVELS, matrices, quantise_tables, quantise_weight, replace_nodes
from compressor.precision.ranges import Range

# For graphs that are only timed, with weights and inputs that are made up.
ASSUMED = Range(-8.0, 8.0)


def products(model: onnx.ModelProto) -> dict[str, int]:
    """Name of every product with a constant matrix, in order, and the size of that matrix."""
    known = matrices(model.graph)
    found = (node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in known)
    return {node.output[0]: int(np.prod(known[node.input[1]].dims)) for node in found}


def quantised_inputs(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the activations that need a range, in order, each once."""
    found = products(model)
    return tuple(dict.fromkeys(node.input[0] for node in model.graph.node if node.output[0] in found))


def int8_static(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range] | None,
    kept: frozenset[str] = frozenset(),
    levels: int = LEVELS,
) -> PassResult:
    """Quantise every product with a constant matrix, in place.

    Args:
        model: In float32.
        ranges: Of the activations that `quantised_inputs` names; None = the graph is only timed.
        kept: Names of products that stay as they are.
        levels: As of `quantise`.

    Raises:
        KeyError: An activation without a range.
    """
    graph = model.graph
    tables, known = quantise_tables(graph), matrices(graph)
    nodes: list[onnx.NodeProto] = []
    made: dict[str, str] = {}
    changed = 0
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in known and node.output[0] not in kept:
            x, weight = node.input
            if x not in made:
                made[x] = _activation(graph, nodes, x, ASSUMED if ranges is None else ranges[x])
            if weight not in made:
                made[weight] = _weight(graph, nodes, known[weight], levels)
            node.input[0], node.input[1] = made[x], made[weight]
            changed += 1
        nodes.append(node)
    replace_nodes(graph, nodes)
    return PassResult(model, modified=tables or bool(changed), products=changed)


def _activation(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], name: str, found: Range) -> str:
    scale, zero, data, out = (f"{name}.{part}" for part in ("scale", "zero_point", "quantised", "rounded"))
    graph.initializer.append(numpy_helper.from_array(np.array(found.scale, dtype=np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(found.zero_point, dtype=np.uint8), zero))
    nodes.append(helper.make_node("QuantizeLinear", [name, scale, zero], [data], name=data))
    nodes.append(helper.make_node("DequantizeLinear", [data, scale, zero], [out], name=out))
    return out


def _weight(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], tensor: onnx.TensorProto, levels: int) -> str:
    values, scales = quantise_weight(numpy_helper.to_array(tensor), levels)
    data, scale, zero, out = (f"{tensor.name}.{part}" for part in ("int8", "int8_scale", "int8_zero", "rounded"))
    graph.initializer.extend(
        [
            numpy_helper.from_array(values, data),
            numpy_helper.from_array(scales, scale),
            helper.make_tensor(zero, TensorProto.INT8, [len(scales)], bytes(len(scales)), raw=True),
        ]
    )
    nodes.append(helper.make_node("DequantizeLinear", [data, scale, zero], [out], name=out, axis=1))
    return out
