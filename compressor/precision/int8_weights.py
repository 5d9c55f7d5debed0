"""Constant matrices in int8, for every pass that quantises: of products, and embedding tables.

    W of a product    Wq = round(W / scale(W)): int8 in [-127, 127], symmetric, scale(W) per output column = max / 127
    T of a look-up    Tq in the same way with a scale per row, as rows are what is read

    Gather(T, ids)  ->  Cast(Gather(Tq, ids), float) * Gather(scale(T), ids)

A table is most of what a small model weighs on disk: 47 of 54 MB for 30,522 words of width 384.

x86 CPUs without VNNI add two products uint8 x int8 in an int16 that saturates (`vpmaddubsw`): 2 x 255 x 127 is too
much for it, 2 x 255 x 63 is not. There weights have 63 levels on either side (ONNX Runtime's `reduce_range`).
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compressor.records.profile import DeviceFingerprint

LEVELS, REDUCED_LEVELS = 127, 63
ADDS_WHOLE = ("avx_vnni", "avx512_vnni", "amx_int8")  # in an int32
# Smaller tables weigh less than the nodes that reading them in int8 takes.
LEAST_ROWS = 1024


def weight_levels(device: DeviceFingerprint) -> int:
    """Levels of the weights of a product on either side of zero, so that no sum overflows there."""
    saturates = device.architecture == "x86_64" and not set(ADDS_WHOLE) & set(device.flags)
    return REDUCED_LEVELS if saturates else LEVELS


def quantise_weight(weight: NDArray[np.float32], levels: int = LEVELS) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weight [in, out] -> int8 [in, out] and scale [out]; a column of zeros gets scale 1."""
    largest = np.maximum(weight.max(axis=0), -weight.min(axis=0))
    scale = np.where(largest > 0, largest / levels, 1.0).astype(np.float32)
    steps = weight / scale  # at most `levels` and a rounding error, which the rounding takes away again
    return np.rint(steps, out=steps).astype(np.int8), scale


def quantise_table(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Table [rows, width] -> int8 [rows, width] and scale [rows, 1]; a row of zeros gets scale 1."""
    values, scale = quantise_weight(table.T)
    return np.ascontiguousarray(values.T), scale[:, None]


def matrices(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The constant float32 matrices of a graph."""
    return {t.name: t for t in graph.initializer if len(t.dims) == 2 and t.data_type == TensorProto.FLOAT}


def quantise_tables(graph: onnx.GraphProto) -> bool:
    """Replace every look-up in a large table, in place; whether there was one."""
    known, nodes, made = matrices(graph), list[onnx.NodeProto](), set[str]()
    for node in graph.node:
        table = known.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.dims[0] < LEAST_ROWS or any(each.i for each in node.attribute):  # another axis
            nodes.append(node)
            continue
        names = (f"{table.name}.int8_rows", f"{table.name}.int8_rows_scale")
        if table.name not in made:
            values, scale = quantise_table(numpy_helper.to_array(table))
            graph.initializer.extend(
                [numpy_helper.from_array(values, names[0]), numpy_helper.from_array(scale, names[1])]
            )
            made.add(table.name)
        nodes += _look_up(node, *names)
    replace_nodes(graph, nodes)
    return bool(made)


def _look_up(node: onnx.NodeProto, values: str, scale: str) -> list[onnx.NodeProto]:
    ids, out = node.input[1], node.output[0]
    integer, cast, step = (f"{out}.{part}" for part in ("integer", "cast", "step"))
    return [
        helper.make_node("Gather", [values, ids], [integer], name=integer),
        helper.make_node("Cast", [integer], [cast], name=cast, to=TensorProto.FLOAT),
        helper.make_node("Gather", [scale, ids], [step], name=step),
        helper.make_node("Mul", [cast, step], [out], name=out),
    ]


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Other nodes for a graph, which may be its own, and no constant that none of them reads."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    read = {name for node in copies for name in node.input}
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in read:
            del graph.initializer[index]
