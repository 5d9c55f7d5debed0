"""What a model computes on the way to its outputs: hidden states and attention scores, for losses that match them.

    h_0 = the embeddings' output,   h_l = the output of layer l,   A_l = q k^T / sqrt(s) + bias, in front of the mask

A student of any kind that is `Traced` can be distilled with such losses: it need not be a transformer, nor have
attention scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from compressor.encoder.head import drop_padding
from compressor.records.architecture import Architecture


@dataclass(frozen=True)
class Sizes:
    """What a loss has to know of a model before it sees a trace.

    `MiniLM-L6` is Sizes(widths=(384,) * 7, heads=(12,) * 6, classes=2).

    Attributes:
        widths: Of h_0, h_1, ... h_L.
        heads: Attention heads of each layer; 0 = it has no attention scores.
        classes: Outputs of the classifier.
    """

    widths: tuple[int, ...]
    heads: tuple[int, ...]
    classes: int

    @property
    def layers(self) -> int:
        """L."""
        return len(self.heads)


def sizes_of(architecture: Architecture) -> Sizes:
    """Of the canonical encoder; a cell is a layer without heads."""
    if architecture.cells is not None:
        return cell_sizes(architecture, architecture.cells.stacked)
    heads = tuple(layer.heads for layer in architecture.layers)
    return Sizes((architecture.hidden,) * (1 + len(heads)), heads, architecture.classes)


def cell_sizes(architecture: Architecture, stacked: int) -> Sizes:
    """Of so many cells."""
    return Sizes((architecture.hidden,) * (1 + stacked), (0,) * stacked, architecture.classes)


@dataclass(frozen=True, eq=False)
class Trace:
    """One pass over a batch.

    Attributes:
        logits: [batch, classes]; of a per-token model [batch, length, classes], or flat as `outputs`.
        mask: int64 [batch, length], 1 = token.
        hidden: h_0 to h_L, [batch, length, width] each; empty where nobody asked for them.
        scores: A_1 to A_L, [batch, heads, length, length], query before key; None for a layer without attention.
        pooled: What stands for the row in h_1 to h_L, [batch, width] each, of a model whose head does not read the
            first token; empty = the first token.
    """

    logits: Tensor
    mask: Tensor
    hidden: tuple[Tensor, ...] = ()
    scores: tuple[Tensor | None, ...] = ()
    pooled: tuple[Tensor, ...] = ()

    @property
    def outputs(self) -> Tensor:
        """Logits of what is answered: [batch, classes], of a per-token model [tokens, classes], row after row."""
        return drop_padding(self.logits, self.mask)

    def detached(self) -> "Trace":
        """The same numbers without a gradient."""
        return Trace(
            self.logits.detach(),
            self.mask,
            tuple(state.detach() for state in self.hidden),
            tuple(None if scores is None else scores.detach() for scores in self.scores),
            tuple(state.detach() for state in self.pooled),
        )

    def row(self, layer: int) -> Tensor:
        """What stands for each row in h_l, l > 0, [batch, width]."""
        # Counted from the last: nobody pools the embeddings.
        return self.pooled[layer - len(self.hidden)] if self.pooled else self.hidden[layer][:, 0]


def pooled_trace(
    states: Sequence[Tensor],
    mask: Tensor,
    pool: Callable[[Tensor], Tensor] | None,
    head: Callable[[Tensor], Tensor],
    *,
    scores: bool,
) -> Trace:
    """Of a model without attention scores whose head reads what it pools of the last state.

    Args:
        states: h_0 to h_L, [batch, length, width] each, L > 0.
        mask: int64 [batch, length], 1 = token.
        pool: A state to [batch, 1, width]; None = every token is answered.
        head: What is pooled, or the last state, to the logits.
        scores: Whether scores are asked for, of which there are none.
    """
    pooled = [] if pool is None else [pool(state) for state in states[1:]]
    logits = head(pooled[-1] if pooled else states[-1])
    missing = (None,) * (len(states) - 1) if scores else ()
    return Trace(logits, mask, tuple(states), missing, tuple(rows[:, 0] for rows in pooled))


class Traced(Protocol):
    """A torch module that can be distilled by its hidden states, or be the teacher."""

    @property
    def tables(self) -> Sequence[nn.Embedding]:
        """Embedding tables, which most trainings leave as they are."""

    @property
    def inner(self) -> nn.Module | None:
        """The part whose products may be rounded to bfloat16; None = none."""

    def __call__(self, ids: Tensor, mask: Tensor | None = None, type_ids: Tensor | None = None) -> Tensor:
        """Logits, as of `Encoder.forward`."""

    def trace(self, ids: Tensor, mask: Tensor, type_ids: Tensor | None = None, *, scores: bool = False) -> Trace:
        """The same logits up to rounding, and what led to them, of all positions in every layer.

        Args:
            ids: int64 [batch, length].
            mask: int64 [batch, length], 1 = token.
            type_ids: int64 [batch, length]; None = all 0.
            scores: Keep the attention scores too, which take the most memory.
        """
