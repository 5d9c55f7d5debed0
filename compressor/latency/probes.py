"""Graphs that hold k copies of one op, made by the emitter and the precision passes that make the final model.

Ops that keep all positions are chained: x -> op -> op -> ... Ops that keep only the first token need all positions as
input, so they stand side by side, each on an input of its own: on a common one its quantisation would be shared, and
the runtime would pick other kernels than it does in a model. The length of `hidden` is unknown to the runtime, as it
is behind the embeddings of a model; if it had a name, norms would be fused that are not fused there.
"""

import onnx
from torch import nn

from compressor.encoder import FLOAT, INT64, Attention, Encoder, FeedForward, GraphBuilder, emit_additive_mask
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, OpKey


def op_graph(shape: Architecture, op: OpKey, copies: int) -> onnx.ModelProto:
    """A model with `copies` of an op, random weights.

    Inputs `hidden0`, ...: float32 [batch, length, hidden] (length 1 behind the first token), one or, side by side, one
    per copy; and `attention_mask`: int64 [batch, length].
    """
    graph = GraphBuilder()
    side_by_side = op.kind == "attention" and op.first_token
    inputs = [
        graph.input(f"hidden{index}", FLOAT, ["batch", None, shape.hidden])
        for index in range(copies if side_by_side else 1)
    ]
    x, results = inputs[0], []
    mask = emit_additive_mask(graph, graph.input("attention_mask", INT64, ["batch", "length"]))
    for index in range(copies):
        block = _block(shape, op)
        name = f"copy{index}"
        if isinstance(block, FeedForward):
            x = block.emit(graph, x, name)
        elif side_by_side:
            results.append(block.emit(graph, inputs[index], mask, name, first_token=True))
        else:
            x = block.emit(graph, x, mask, name)
    if results:
        x = graph.node("Concat", results, "results", axis=1)
    graph.output(x, FLOAT, ["batch", "rows", shape.hidden])
    return apply_precision(graph.build(f"{copies} x {op}"), op.precision)


def stem_graph(shape: Architecture, op: OpKey) -> onnx.ModelProto:
    """The model without layers; the mask is an output too, or the runtime would drop it as nobody reads it."""
    model = Encoder(shape.with_layers(())).emit()
    model.graph.output.append(onnx.helper.make_tensor_value_info("mask", FLOAT, ["batch", 1, 1, "length"]))
    return apply_precision(model, op.precision)


def weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the constants that a run reads as a whole; of a table of embeddings it only reads a few rows."""
    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer if tensor.name not in looked_up)


def _block(shape: Architecture, op: OpKey) -> Attention | FeedForward:
    block = Attention(shape, op.width) if op.kind == "attention" else FeedForward(shape, op.width)
    for module in block.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return block
