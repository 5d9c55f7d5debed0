"""Blocks of the canonical encoder: torch module and ONNX emission side by side, one file per block."""

from compressor.encoder.attention import Attention
from compressor.encoder.embeddings import Embeddings, additive_mask, emit_additive_mask
from compressor.encoder.feed_forward import FeedForward
from compressor.encoder.graph import FLOAT, INT64, GraphBuilder
from compressor.encoder.head import Head, TokenHead, drop_padding
from compressor.encoder.model import INPUTS, Encoder
from compressor.encoder.traces import Sizes, Trace, Traced, sizes_of

__all__ = [
    "FLOAT",
    "INPUTS",
    "INT64",
    "Attention",
    "Embeddings",
    "Encoder",
    "FeedForward",
    "GraphBuilder",
    "Head",
    "Sizes",
    "TokenHead",
    "Trace",
    "Traced",
    "additive_mask",
    "drop_padding",
    "emit_additive_mask",
    "sizes_of",
]
