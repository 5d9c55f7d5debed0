"""A block as a model of its own, for what compares the graph with torch."""

import onnx

from compressor.encoder.blocks.base import Block, MaskNames
from compressor.encoder.graph import FLOAT, INT64, GraphBuilder


def block_graph(block: Block) -> onnx.ModelProto:
    """The block in ONNX, float32.

    Inputs `hidden`: float32 [batch, length, width], and `attention_mask`: int64 [batch, length], 1 = token. Output
    `out`: float32 [batch, length, width], of an aggregation [batch, 1, width].
    """
    graph = GraphBuilder()
    x = graph.input("hidden", FLOAT, ["batch", "length", block.width])
    masks = MaskNames(graph, graph.input("attention_mask", INT64, ["batch", "length"]))
    out = graph.node("Identity", [block.emit(graph, x, masks, "block")], "out")
    graph.output(out, FLOAT, ["batch", "rows", block.width])
    return graph.build("block")
