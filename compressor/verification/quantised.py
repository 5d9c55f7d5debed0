"""Is an int8 graph the fp32 graph with its products quantised, and nothing else?

    every quantised product    computes what the formula says, on made-up activations
    every quantised table      gives what the formula says, for every row
    every other node           is the node of the fp32 graph, with the same constants

So the fp32 graph, which torch vouches for, vouches for the int8 one without a tolerance on real activations: what
rounding costs there depends on the model, and would hide a wrong scale of one column.

    x @ W  ->  s_x (q(x) - z) @ rint(W / s_W) s_W,   s_x = (max(x, 0) - min(x, 0)) / 255,   s_W = max |column| / 127
               or s_x and z of a measured range, q(x) clipped to 0 ... 255; 63 in the place of 127 where a CPU wants it
    T[ids] ->  rint(T / s_T)[ids] s_T[ids],          s_T = max |row| / 127

Written down here a second time, in numpy, apart from the pass that is held against it.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compressor.errors import BorderError
from compressor.precision import Range
from compressor.records.latency import CompileOptions
from compressor.runtimes.base import Device
from compressor.verification.subgraphs import Cutter, relative_difference

Floats = NDArray[np.float32]

# Relative: a value in the middle of two steps may be rounded either way.
TOLERANCE = 1e-3
# Rows of made-up activations, [batch, length]; and those of a table that are looked at together.
ROWS = (2, 7)
LEVELS = 127
ROWS_AT_ONCE = 4096


def check_int8(
    model: onnx.ModelProto,
    fp32: onnx.ModelProto,
    device: Device,
    *,
    levels: int = LEVELS,
    ranges: Mapping[str, Range] | None = None,
) -> None:
    """Compare a graph with quantised products with the fp32 graph.

    Args:
        model: The int8 graph.
        fp32: What it was made of.
        device: Runs the products, without its optimiser.
        levels: Of weights on either side of zero.
        ranges: That activations are quantised by, where they were measured; None = those of the graph are believed.

    Raises:
        BorderError: Something differs; the first is named.
    """
    weights = {tensor.name: tensor for tensor in fp32.graph.initializer}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    cutter = Cutter(model)
    for node in fp32.graph.node:
        made = makers.get(node.output[0])
        if made == node:
            _check_constants(node, weights, constants)
        elif made is not None and node.op_type == "MatMul" and node.input[1] in weights:
            weight = numpy_helper.to_array(weights[node.input[1]])
            part = cutter.cut(node.input[0], node.output[0])
            step = _step(constants, node.input[0], ranges)
            _check_product(device, part, node, weight, step, levels)
        elif made is not None and node.op_type == "Gather" and node.input[0] in weights:
            table, ids = numpy_helper.to_array(weights[node.input[0]]), constants.get(node.input[1])
            part = cutter.cut(node.input[1], node.output[0], ids=True)
            _check_table(device, part, node, table, None if ids is None else numpy_helper.to_array(ids))
        else:
            raise BorderError(f"{node.output[0]} of the int8 graph is not what it is in the fp32 graph")


def _check_constants(
    node: onnx.NodeProto, weights: dict[str, onnx.TensorProto], constants: dict[str, onnx.TensorProto]
) -> None:
    for name in node.input:
        if name in weights and constants.get(name) != weights[name]:
            raise BorderError(f"the constant {name} of the int8 graph is not that of the fp32 graph")


def _step(
    constants: dict[str, onnx.TensorProto], name: str, ranges: Mapping[str, Range] | None
) -> tuple[float, int] | None:
    """Scale and zero point of an activation that is quantised by constants; None = by its own range."""
    found = [constants.get(f"{name}.{part}") for part in ("scale", "zero_point")]
    if found[0] is None or found[1] is None:
        return None
    scale, zero = (numpy_helper.to_array(each) for each in found if each is not None)
    if not (np.isfinite(scale) and scale > 0):
        raise BorderError(f"the scale of {name} in the int8 graph is {scale}, expected a positive number")
    if ranges is not None:
        low, high = ranges[name].low, ranges[name].high
        expected = max(high - low, 1e-8) / 255
        if abs(scale / expected - 1) > TOLERANCE or abs(zero + low / expected) > 1:
            raise BorderError(
                f"the int8 graph quantises {name} by {scale:.3g} from {zero}, expected {expected:.3g} from "
                f"{-low / expected:.0f} by its range of {low:.3g} to {high:.3g}"
            )
    return float(scale), int(zero)


def _check_product(
    device: Device, part: bytes, node: onnx.NodeProto, weight: Floats, step: tuple[float, int] | None, levels: int
) -> None:
    engine = device.compile(part, CompileOptions(1, optimise=False))
    if engine.inputs != (node.input[0],):
        raise BorderError(f"{node.output[0]} of the int8 graph reads {engine.inputs}, expected {node.input[0]} alone")
    for x in _activations(weight.shape[0]):
        difference = relative_difference(engine.run({node.input[0]: x}), quantised_product(x, weight, step, levels))
        if not difference <= TOLERANCE:
            raise BorderError(
                f"the int8 product {node.output[0]} differs from its formula by {difference:.2g} of its size, allowed "
                f"{TOLERANCE:.2g}"
            )


def _check_table(
    device: Device, part: bytes, node: onnx.NodeProto, table: Floats, known: NDArray[np.int64] | None
) -> None:
    """Every row of a table [rows, width], or those that the graph itself names."""
    engine = device.compile(part, CompileOptions(1, optimise=False))
    inputs = (node.input[1],) if known is None else ()
    if engine.inputs != inputs:
        raise BorderError(f"{node.output[0]} of the int8 graph reads {engine.inputs}, expected {inputs} alone")
    every = np.split(np.arange(len(table)), range(ROWS_AT_ONCE, len(table), ROWS_AT_ONCE))
    for ids in every if known is None else [known]:
        expected = quantised_table(table[ids])
        found = engine.run(dict.fromkeys(inputs, ids[None]))
        difference = relative_difference(found.reshape(expected.shape), expected)
        if not difference <= TOLERANCE:
            raise BorderError(
                f"the int8 table {node.output[0]} differs from its formula by {difference:.2g} of its size, allowed "
                f"{TOLERANCE:.2g}"
            )


def _activations(width: int) -> Iterator[Floats]:
    """Of both signs, and like those behind GELU, [batch, length, width]."""
    x = np.random.default_rng(width).normal(size=(*ROWS, width)).astype(np.float32)
    yield x
    yield np.maximum(x, np.float32(-0.17))


def quantised_product(
    x: Floats, weight: Floats, known: tuple[float, int] | None = None, levels: int = LEVELS
) -> Floats:
    """`x @ weight` as int8 hardware computes it: x [..., in] per tensor, weight [in, out] per column.

    Args:
        x: Activations.
        weight: Constants.
        known: Scale and zero point of x; None = those of its range.
        levels: Of the weights on either side of zero.
    """
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    step = (high - low) / 255
    zero = np.clip(np.rint(-low / step), 0, 255)
    if known is not None:
        step, zero = known
    steps = np.clip(np.rint(x / step) + zero, 0, 255) - zero
    largest = np.abs(weight).max(axis=0).astype(np.float64)
    scale = np.where(largest > 0, largest / levels, 1.0)
    result: Floats = (step * scale * (steps @ np.rint(weight / scale))).astype(np.float32)
    return result


def quantised_table(table: Floats) -> Floats:
    """Rows [rows, width] as they are read out of an int8 table."""
    largest = np.abs(table).max(axis=-1, keepdims=True).astype(np.float64)
    scale = np.where(largest > 0, largest / LEVELS, 1.0)
    result: Floats = (scale * np.rint(table / scale)).astype(np.float32)
    return result
