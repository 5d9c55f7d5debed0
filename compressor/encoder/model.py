"""The canonical encoder: embeddings, layers (or searched cells), head; as a torch module and as an ONNX model."""

from collections.abc import Sequence
from functools import partial

import onnx
import torch
from torch import Tensor, nn

from compressor.encoder.attention import Attention
from compressor.encoder.cells import CellStack
from compressor.encoder.embeddings import Embeddings, additive_mask, emit_additive_mask
from compressor.encoder.feed_forward import FeedForward
from compressor.encoder.graph import FLOAT, INT64, GraphBuilder
from compressor.encoder.head import Head, TokenHead
from compressor.encoder.traces import Trace, pooled_trace
from compressor.records.architecture import Architecture, Layer, check_architecture

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class EncoderLayer(nn.Module):
    """Attention and feed-forward; either may be absent."""

    def __init__(self, architecture: Architecture, layer: Layer) -> None:
        super().__init__()
        self.attention = Attention(architecture, layer.heads) if layer.heads else None
        self.feed_forward = FeedForward(architecture, layer.neurons) if layer.neurons else None


class Encoder(nn.Module):
    """Canonical encoder with the weights of one architecture.

    Example:
        >>> encoder = Encoder(architecture)
        >>> encoder(ids, mask).shape  # ids, mask: int64 [4, 8]; an architecture of two classes
        torch.Size([4, 2])
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = check_architecture(architecture)
        self.embeddings = Embeddings(architecture)
        self.layers = nn.ModuleList(EncoderLayer(architecture, layer) for layer in architecture.layers)
        self.cells = CellStack(architecture, architecture.cells) if architecture.cells else None
        self.head: Head | TokenHead = (TokenHead if architecture.per_token else Head)(architecture)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order; a family without token types has no `token_type_ids`."""
        return INPUTS if self.architecture.token_types else INPUTS[:2]

    @property
    def tables(self) -> Sequence[nn.Embedding]:
        """See `Traced`."""
        return self.embeddings.tables

    @property
    def inner(self) -> nn.Module:
        """See `Traced`."""
        return self.cells or self.layers

    def forward(self, ids: Tensor, mask: Tensor | None = None, type_ids: Tensor | None = None) -> Tensor:
        """Logits [batch, classes], of a per-token model [batch, length, classes].

        Args:
            ids: int64 [batch, length].
            mask: int64 [batch, length], 1 = token; None = no padding.
            type_ids: int64 [batch, length]; None = all 0.
        """
        x = self.embeddings(ids, type_ids)
        if self.cells is not None:
            answers: Tensor = self.head(self.cells(x, torch.ones_like(ids) if mask is None else mask))
            return answers
        return self.from_layer(0, x, None if mask is None else additive_mask(mask))

    def from_layer(self, start: int, x: Tensor, mask: Tensor | None) -> Tensor:
        """Logits from the hidden states [batch, length, hidden] that enter layer `start`; `mask` is additive."""
        first_token_from = self.architecture.first_token_from
        for index in range(start, len(self.layers)):
            x = self.run_layer(index, x, mask, first_token=index >= first_token_from)
        logits: Tensor = self.head(x)
        return logits

    @property
    def parts(self) -> tuple[Attention | FeedForward | None, ...]:
        """Attention and feed-forward of every layer in turn, [2 x layers]; None where one was cut away."""
        every = (part for layer in self.layers for part in (layer.attention, layer.feed_forward))
        return tuple(part if isinstance(part, Attention | FeedForward) else None for part in every)

    def run_layer(self, index: int, x: Tensor, mask: Tensor | None, *, first_token: bool = False) -> Tensor:
        """Hidden states after layer `index`; with `first_token` only of the first position."""
        layer = self.layers[index]
        if first_token:
            x = x if isinstance(layer.attention, Attention) else x[:, :1]
        if isinstance(layer.attention, Attention):
            x = layer.attention(x, mask, first_token=first_token)
        if isinstance(layer.feed_forward, FeedForward):
            x = layer.feed_forward(x)
        return x

    def trace(self, ids: Tensor, mask: Tensor, type_ids: Tensor | None = None, *, scores: bool = False) -> Trace:
        """See `Traced`."""
        x = self.embeddings(ids, type_ids)
        if self.cells is not None:
            return self._trace_of_cells(self.cells, x, mask, scores=scores)
        additive = additive_mask(mask)
        hidden, kept = [x], []
        for index in range(len(self.layers)):
            x, found = self._traced_layer(index, x, additive) if scores else (self.run_layer(index, x, additive), None)
            hidden.append(x)
            kept.append(found)
        return Trace(self.head(x), mask, tuple(hidden), tuple(kept) if scores else ())

    def _trace_of_cells(self, stack: CellStack, x: Tensor, mask: Tensor, *, scores: bool) -> Trace:
        pool = partial(stack.aggregated, mask=mask) if stack.aggregation else None
        return pooled_trace(stack.states(x, mask), mask, pool, self.head, scores=scores)

    def _traced_layer(self, index: int, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Hidden states after layer `index`, and its attention scores."""
        layer, scores = self.layers[index], None
        if isinstance(layer.attention, Attention):
            x, scores = layer.attention.traced(x, mask)
        if isinstance(layer.feed_forward, FeedForward):
            x = layer.feed_forward(x)
        return x, scores

    def emit(self) -> onnx.ModelProto:
        """The model in ONNX, float32, any batch and any length up to the position table.

        Inputs as `self.inputs`: int64 [batch, length]; output `logits`: float32 [batch, classes], of a per-token model
        [batch, length, classes].
        """
        graph = GraphBuilder()
        ids, mask, *types = (graph.input(name, INT64, ["batch", "length"]) for name in self.inputs)
        x = self.embeddings.emit(graph, ids, types[0] if types else None)
        if self.cells is not None:
            x = self.cells.emit(graph, x, mask)
        else:
            additive = emit_additive_mask(graph, mask)
            for index in range(len(self.layers)):
                x = self._emit_layer(graph, index, x, additive)
        rows = ["batch", "length"] if self.architecture.per_token else ["batch"]
        graph.output(self.head.emit(graph, x), FLOAT, [*rows, self.architecture.classes])
        return graph.build("encoder")

    def _emit_layer(self, graph: GraphBuilder, index: int, x: str, mask: str) -> str:
        layer, first_token = self.layers[index], index == self.architecture.first_token_from
        if isinstance(layer.attention, Attention):
            x = layer.attention.emit(graph, x, mask, f"layer{index}.attention", first_token=first_token)
        elif first_token:
            x = graph.first_token(x, f"layer{index}.first")
        if isinstance(layer.feed_forward, FeedForward):
            x = layer.feed_forward.emit(graph, x, f"layer{index}.feed_forward")
        return x
