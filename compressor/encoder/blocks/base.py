"""What a block of a searched student is: [batch, length, width] -> the same, without a residual or a norm of its own.

A block reads nothing of padded positions, and what it leaves there is read by nobody: every block that looks at other
positions masks its input. Padding is on the right of a row, where the position table of the embeddings expects it too.
"""

from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

from compressor.encoder.embeddings import additive_mask, emit_additive_mask
from compressor.encoder.graph import FLOAT, GraphBuilder
from compressor.records.architecture import Architecture

INT32 = 6  # of onnx.TensorProto


class Masks:
    """The forms in which blocks want to know which positions are tokens.

    Args:
        mask: int64 [batch, length], 1 = token.
        dtype: Of the forms that are multiplied or added.
    """

    def __init__(self, mask: Tensor, dtype: torch.dtype = torch.float32) -> None:
        self._mask, self._dtype = mask, dtype

    @cached_property
    def additive(self) -> Tensor:
        """[batch, 1, 1, length], 0 or a large negative number."""
        return additive_mask(self._mask).to(self._dtype)

    @cached_property
    def real(self) -> Tensor:
        """[batch, length, 1], 1 = token."""
        return self._mask[:, :, None].to(self._dtype)

    @cached_property
    def lengths(self) -> Tensor:
        """int64 [batch], tokens of each row: its first so many positions, as padding is on the right."""
        return self._mask.sum(1)


class MaskNames:
    """The same in a graph, each made when the first block asks for it.

    Args:
        graph: Where.
        mask: Name of the int64 input [batch, length].
    """

    def __init__(self, graph: GraphBuilder, mask: str) -> None:
        self._graph, self._mask = graph, mask

    @cached_property
    def additive(self) -> str:
        """float32 [batch, 1, 1, length]."""
        return emit_additive_mask(self._graph, self._mask)

    @cached_property
    def real(self) -> str:
        """float32 [batch, length, 1]."""
        real = self._graph.node("Cast", [self._mask], "mask.real", to=FLOAT)
        return self._graph.node("Unsqueeze", [real, self._graph.constant([2], "mask.column")], "mask.rows")

    @cached_property
    def lengths(self) -> str:
        """int32 [batch]."""
        axis = self._graph.constant([1], "mask.axis")
        count = self._graph.node("ReduceSum", [self._mask, axis], "mask.count", keepdims=0)
        return self._graph.node("Cast", [count], "mask.lengths", to=INT32)


class Block(nn.Module):
    """A candidate of the search; subclasses say where they come from."""

    source: ClassVar[str]

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.width = architecture.hidden

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """`x`: [batch, length, width]."""
        raise NotImplementedError

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """The same in ONNX; returns the name of the result."""
        raise NotImplementedError
