"""Architectures of the canonical encoder, the cuts that lead to them, and the ops that they run.

One layer is an attention sub-layer followed by a feed-forward sub-layer, each with its residual and norm; a width of 0
means that the sub-layer, its residual and its norm are gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from compressor.errors import BorderError
from compressor.records.cells import Cells, check_cells
from compressor.records.task import TaskKind

Activation = Literal["gelu", "relu"]
HeadActivation = Literal["tanh", "relu", "gelu"]


class Precision(StrEnum):
    """Arithmetic of the matrix products: float32, or int8 with activations quantised at run time or by constants."""

    FP32 = "fp32"
    INT8 = "int8"
    INT8_STATIC = "int8-static"


@dataclass(frozen=True)
class Layer:
    """Widths of one layer: `Layer(heads=4, neurons=192)`."""

    heads: int
    neurons: int


@dataclass(frozen=True)
class Architecture:
    """Everything that shapes a canonical encoder; the weights are elsewhere.

    `MiniLM-L6` is 6 x `Layer(12, 1536)` with hidden 384, head_size 32.

    Attributes:
        layers: From input to output; no layer has both widths 0.
        hidden: Width of the residual stream.
        head_size: Width of one head, the same for all.
        vocabulary: Rows of the word embedding.
        positions: Rows of the position embedding = longest input.
        token_types: Rows of the token-type embedding; 0 = the family has none.
        classes: Outputs of the classifier; 1 = a regression.
        activation: Of the feed-forward sub-layers.
        norm_epsilon: Of every LayerNorm.
        embedding: Width of the embedding tables, projected to `hidden`; None = `hidden`, not projected.
        head_activation: Between the two products of the classification head.
        relative_buckets: Buckets of a learned bias on relative positions, per head; 0 = none.
        per_token: The classifier reads every token, without a pooler; else the first token, through one.
        word_rank: Width of the word table, which a product without bias widens to that of the others; None = theirs.
        cells: What stands in the place of layers in a student that was searched from scratch; `layers` is empty then.
    """

    layers: tuple[Layer, ...]
    hidden: int
    head_size: int
    vocabulary: int
    positions: int
    token_types: int
    classes: int
    activation: Activation = "gelu"
    norm_epsilon: float = 1e-12
    embedding: int | None = None
    head_activation: HeadActivation = "tanh"
    relative_buckets: int = 0
    per_token: bool = False
    word_rank: int | None = None
    cells: Cells | None = None

    @property
    def kind(self) -> TaskKind:
        """What its outputs are."""
        if self.per_token:
            return "token-classification"
        return "regression" if self.classes == 1 else "text-classification"

    @property
    def first_token_from(self) -> int:
        """Index of the layer from which on only the first token is computed; behind the last layer = none.

        Nothing behind the last attention moves information between positions. Where the head reads the first one,
        the others have no reader from there on (without any attention: from layer 0 on).
        """
        if self.per_token:
            return len(self.layers)
        return max((index for index, layer in enumerate(self.layers) if layer.heads), default=0)

    @property
    def in_words(self) -> str:
        """`4/192 0/96`: heads and neurons of each layer, or its cells; for people: other sizes are left out."""
        return layers_in_words(self.layers) if self.cells is None else str(self.cells)

    def with_layers(self, layers: tuple[Layer, ...]) -> "Architecture":
        """The same encoder with other layers; layers with nothing left are dropped."""
        return replace(self, layers=tuple(layer for layer in layers if layer.heads or layer.neurons))


@dataclass(frozen=True)
class LayerCut:
    """Indices of the heads and neurons that one teacher layer keeps; both empty = the layer goes."""

    heads: tuple[int, ...]
    neurons: tuple[int, ...]


def layers_in_words(layers: Iterable[Layer]) -> str:
    """`4/192 0/96`: heads and neurons of each layer that has any."""
    return " ".join(f"{layer.heads}/{layer.neurons}" for layer in layers if layer.heads or layer.neurons)


@dataclass(frozen=True)
class Cut:
    """What a student inherits from each layer of its teacher, in order."""

    layers: tuple[LayerCut, ...]

    def widths(self) -> tuple[Layer, ...]:
        """Widths of every teacher layer after the cut (layers that go have both widths 0)."""
        return tuple(Layer(len(layer.heads), len(layer.neurons)) for layer in self.layers)


@dataclass(frozen=True)
class OpKey:
    """One op of the search space, the key of the latency table. Precision is part of the op.

    Attributes:
        kind: "stem" is everything outside the layers (embeddings, mask, pooler, classifier); "attention" and
            "feed_forward"; of a cell the name of a block or an aggregation, or "join", the sum and norm of a node.
        width: Heads, or neurons; the edges of a join; 0 for what has no width of its own.
        hidden: Width of the residual stream.
        head_size: Width of one head (attention), else 0.
        activation: Of a feed-forward op, else "".
        precision: Of its matrix products.
        first_token: Only the first position of the output is computed (exact where only that one is read); of a stem:
            its head reads the first token only.
    """

    kind: str
    width: int
    hidden: int
    head_size: int
    activation: str
    precision: Precision
    first_token: bool

    def __str__(self) -> str:
        """`attention 4 x 32 of 384, int8, first token`."""
        size = f" {self.width}" + (f" x {self.head_size}" if self.head_size else "") if self.width else ""
        tail = ", first token" if self.first_token else ""
        return f"{self.kind}{size} of {self.hidden}, {self.precision}{tail}"


def check_architecture(architecture: Architecture) -> Architecture:
    """Border check.

    Raises:
        BorderError: A layer with nothing in it, a negative width or an empty table.
    """
    for index, layer in enumerate(architecture.layers):
        if layer.heads < 0 or layer.neurons < 0 or layer.heads + layer.neurons == 0:
            raise BorderError(f"layer {index} of {architecture} has no width: drop it from `layers` instead")
    if architecture.cells is not None:
        check_cells(architecture.cells)
        if architecture.layers or bool(architecture.cells.aggregation) == architecture.per_token:
            raise BorderError(
                f"cells stand in the place of layers, and end with an aggregation unless every token gets an answer, "
                f"got {architecture}"
            )
    embedding = architecture.hidden if architecture.embedding is None else architecture.embedding
    sizes = (architecture.hidden, architecture.head_size, architecture.vocabulary, architecture.positions, embedding)
    rank = 1 if architecture.word_rank is None else architecture.word_rank
    if min(*sizes, architecture.classes, rank) < 1 or architecture.token_types < 0:
        raise BorderError(f"every size of an architecture must be at least 1 (token types: 0), got {architecture}")
    return architecture


def check_cut(cut: Cut, teacher: Architecture) -> Cut:
    """Border check: one entry per teacher layer, indices sorted, distinct and within the teacher's widths."""
    if len(cut.layers) != len(teacher.layers):
        raise BorderError(
            f"a cut has one entry per teacher layer: expected {len(teacher.layers)}, got {len(cut.layers)}"
        )
    for index, (kept, layer) in enumerate(zip(cut.layers, teacher.layers, strict=True)):
        for name, indices, width in (("heads", kept.heads, layer.heads), ("neurons", kept.neurons, layer.neurons)):
            if list(indices) != sorted(set(indices)) or (indices and not 0 <= indices[0] <= indices[-1] < width):
                raise BorderError(f"layer {index}: {name} must be sorted, distinct and below {width}, got {indices}")
    return cut
