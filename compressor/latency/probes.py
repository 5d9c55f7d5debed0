"""Graphs that hold k copies of one op, made by the emitter and the precision passes that make the final model.

Ops that keep all positions are chained: x -> op -> op -> ... Ops that keep only the first token need all positions as
input, so they stand side by side, each on an input of its own: on a common one its quantisation would be shared, and
the runtime would pick other kernels than it does in a model. The length of `hidden` is unknown to the runtime, as it
is behind the embeddings of a model; if it had a name, norms would be fused that are not fused there.
"""

from dataclasses import replace
from typing import TypeVar

import onnx
from torch import nn

from compressor.encoder import (
    AGGREGATIONS,
    FLOAT,
    INT64,
    Attention,
    Encoder,
    FeedForward,
    GraphBuilder,
    Join,
    MaskNames,
    make_block,
)
from compressor.latency.ops import ATTENTION, FEED_FORWARD, JOIN
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, OpKey

M = TypeVar("M", bound=nn.Module)


def op_graph(shape: Architecture, op: OpKey, copies: int) -> onnx.ModelProto:
    """A model with `copies` of an op, random weights.

    Inputs `hidden0`, ...: float32 [batch, length, hidden] (length 1 behind the first token): one; side by side, one
    per copy; of a join, one per edge. And `attention_mask`: int64 [batch, length].
    """
    graph = GraphBuilder()
    side_by_side = (op.kind == ATTENTION and op.first_token) or op.kind in AGGREGATIONS
    count = copies if side_by_side else op.width if op.kind == JOIN else 1
    inputs = [graph.input(f"hidden{index}", FLOAT, ["batch", None, shape.hidden]) for index in range(count)]
    masks = MaskNames(graph, graph.input("attention_mask", INT64, ["batch", "length"]))
    x, results = inputs[0], []
    for index in range(copies):
        if side_by_side:
            results.append(_emit(graph, shape, op, [inputs[index]], masks, f"copy{index}"))
        else:
            x = _emit(graph, shape, op, [x, *inputs[1:]], masks, f"copy{index}")
    if results:
        x = graph.node("Concat", results, "results", axis=1)
    graph.output(x, FLOAT, ["batch", "rows", shape.hidden])
    return apply_precision(graph.build(f"{copies} x {op}"), op.precision)


def _emit(graph: GraphBuilder, shape: Architecture, op: OpKey, inputs: list[str], masks: MaskNames, name: str) -> str:
    """A copy of the op with weights of its own."""
    if op.kind == ATTENTION:
        attention = _with_biases(Attention(shape, op.width))
        return attention.emit(graph, inputs[0], masks.additive, name, first_token=op.first_token)
    if op.kind == FEED_FORWARD:
        return _with_biases(FeedForward(shape, op.width)).emit(graph, inputs[0], name)
    if op.kind == JOIN:
        return _with_biases(Join(shape)).emit(graph, inputs, name)
    return make_block(op.kind, shape).emit(graph, inputs[0], masks, name)


def stem_graph(shape: Architecture, op: OpKey) -> onnx.ModelProto:
    """The model without layers; the mask is an output too, or the runtime would drop it as nobody reads it."""
    model = Encoder(replace(shape, layers=(), cells=None)).emit()
    model.graph.output.append(onnx.helper.make_tensor_value_info("mask", FLOAT, ["batch", 1, 1, "length"]))
    return apply_precision(model, op.precision)


def weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the constants that a run reads as a whole; of a table of embeddings it only reads a few rows."""
    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer if tensor.name not in looked_up)


def _with_biases(block: M) -> M:
    """The block with norms whose biases are not 0, which the runtime would drop."""
    for module in block.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return block
