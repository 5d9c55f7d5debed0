"""Blocks of the canonical encoder: torch module and ONNX emission side by side, one file per block."""

from compressor.encoder.aggregations import AGGREGATIONS
from compressor.encoder.attention import Attention
from compressor.encoder.blocks import BLOCKS, IDENTITY, NONE, MaskNames
from compressor.encoder.cells import Cell, CellStack, Join, make_block
from compressor.encoder.embeddings import Embeddings, additive_mask, emit_additive_mask
from compressor.encoder.feed_forward import FeedForward
from compressor.encoder.graph import FLOAT, INT64, GraphBuilder
from compressor.encoder.head import Head, TokenHead, drop_padding
from compressor.encoder.model import INPUTS, Encoder
from compressor.encoder.traces import Sizes, Trace, Traced, cell_sizes, sizes_of

__all__ = [
    "AGGREGATIONS",
    "BLOCKS",
    "FLOAT",
    "IDENTITY",
    "INPUTS",
    "INT64",
    "NONE",
    "Attention",
    "Cell",
    "CellStack",
    "Embeddings",
    "Encoder",
    "FeedForward",
    "GraphBuilder",
    "Head",
    "Join",
    "MaskNames",
    "Sizes",
    "TokenHead",
    "Trace",
    "Traced",
    "additive_mask",
    "cell_sizes",
    "drop_padding",
    "emit_additive_mask",
    "make_block",
    "sizes_of",
]
