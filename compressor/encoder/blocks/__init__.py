"""Blocks that searched students are made of, one file each: torch, ONNX, operations, source.

A new one is its file and a line here.
"""

from collections.abc import Callable
from functools import partial

from compressor.encoder.blocks.attention import HeadsBlock
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.blocks.convolution import Convolution
from compressor.encoder.blocks.identity import Identity
from compressor.encoder.blocks.lstm import BidirectionalLstm
from compressor.encoder.blocks.none import Nothing
from compressor.encoder.blocks.separable import SeparableConvolution
from compressor.records.architecture import Architecture
from compressor.records.cells import IDENTITY, NONE

BLOCKS: dict[str, Callable[[Architecture], Block]] = {
    IDENTITY: Identity,
    NONE: Nothing,
    "lstm": BidirectionalLstm,
    "attention-4": partial(HeadsBlock, heads=4),
    "attention-8": partial(HeadsBlock, heads=8),
    "conv-3": partial(Convolution, kernel=3),
    "conv-5": partial(Convolution, kernel=5),
    "conv-7": partial(Convolution, kernel=7),
    "sepconv-3": partial(SeparableConvolution, kernel=3),
    "sepconv-5": partial(SeparableConvolution, kernel=5),
    "sepconv-7": partial(SeparableConvolution, kernel=7),
}

__all__ = ["BLOCKS", "IDENTITY", "NONE", "Block", "MaskNames", "Masks"]
