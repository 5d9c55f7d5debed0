"""A cell whose edges mix all blocks, and the network that is made of such cells (DARTS, arXiv 1806.09055, section 2).

    edge(i, j):  f(x) = sum over blocks of softmax(alpha(i, j))_block block(x)
    node j    =  norm(sum over the states i before it of edge(i, j));  the aggregation is mixed in the same way

Every node reads every state before it. The cells share their architecture weights alpha and have block weights of
their own. What is gained by handing on is gained early, so a search of short duration falls for identity: while it is
trained, each row loses its identity edges with a probability (Chen et al. 2019, P-DARTS, arXiv 1904.12760, section
3.3.1), and `leans_on_identity` says when to stop.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from compressor.encoder import (
    AGGREGATIONS,
    BLOCKS,
    IDENTITY,
    NONE,
    Embeddings,
    Head,
    Join,
    Sizes,
    TokenHead,
    Trace,
    cell_sizes,
    make_block,
)
from compressor.encoder.blocks import Block, Masks
from compressor.encoder.traces import pooled_trace
from compressor.records.architecture import Architecture

IDENTITY_DROPOUT = 0.3
NAMES = tuple(BLOCKS)


def edges_of(nodes: int) -> tuple[tuple[int, int], ...]:
    """(source, node) of every edge: node 1 reads state 0, node 2 states 0 and 1, ..."""
    return tuple((source, node) for node in range(1, nodes + 1) for source in range(node))


class MixedEdge(nn.Module):
    """All blocks side by side."""

    def __init__(self, space: Architecture) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(make_block(name, space) for name in NAMES)

    def forward(self, x: Tensor, masks: Masks, weights: Tensor) -> Tensor:
        """`weights`: [blocks], of one edge; the sum of what the blocks make of `x` [batch, length, width]."""
        mixed = torch.zeros_like(x)
        for name, block, weight in zip(NAMES, self.blocks, weights, strict=True):
            if name == NONE:
                continue
            part = cast(Block, block)(x, masks)
            if name == IDENTITY and self.training:
                part = part * _kept_rows(x)
            mixed = mixed + weight * part
        return mixed


def _kept_rows(x: Tensor) -> Tensor:
    """[batch, 1, 1]: 0 for rows that lose the edge, and more than 1 for the others, so that the mean is 1."""
    kept = torch.rand(x.shape[0], 1, 1, dtype=x.dtype) >= IDENTITY_DROPOUT
    return kept.to(x.dtype) / (1 - IDENTITY_DROPOUT)


class MixedCell(nn.Module):
    """[batch, length, width] -> the same."""

    def __init__(self, space: Architecture, nodes: int) -> None:
        super().__init__()
        self.nodes = nodes
        self.edges = nn.ModuleList(MixedEdge(space) for _ in edges_of(nodes))
        self.joins = nn.ModuleList(Join(space) for _ in range(nodes))

    def forward(self, x: Tensor, masks: Masks, weights: Tensor) -> Tensor:
        """`weights`: [edges, blocks], each row sums to 1."""
        states, brought = [x], {node: list[Tensor]() for node in range(1, self.nodes + 1)}
        for number, (source, node) in enumerate(edges_of(self.nodes)):
            brought[node].append(self.edges[number](states[source], masks, weights[number]))
            if len(brought[node]) == node:
                states.append(self.joins[node - 1](brought[node]))
        return states[-1]


class Supernet(nn.Module):
    """Embeddings, mixed cells, a mixed aggregation, a head.

    Args:
        space: Everything around the cells; see `compressor.space.cells.cell_space`.
        nodes: Of a cell.
        stacked: Cells.
    """

    def __init__(self, space: Architecture, *, nodes: int, stacked: int) -> None:
        super().__init__()
        self.architecture, self.nodes = space, nodes
        self.embeddings = Embeddings(space)
        self.cells = nn.ModuleList(MixedCell(space, nodes) for _ in range(stacked))
        names = () if space.per_token else AGGREGATIONS
        self.aggregations = nn.ModuleList(make_block(name, space) for name in names)
        self.head: Head | TokenHead = (TokenHead if space.per_token else Head)(space)
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(edges_of(nodes)), len(NAMES)))
        self.beta = nn.Parameter(1e-3 * torch.randn(len(names)))

    @property
    def tables(self) -> list[nn.Embedding]:
        """See `Traced`."""
        return self.embeddings.tables

    @property
    def inner(self) -> None:
        """See `Traced`: none."""
        return None

    def forward(self, ids: Tensor, mask: Tensor | None = None, type_ids: Tensor | None = None) -> Tensor:
        """Logits; see `Encoder`."""
        mask = torch.ones_like(ids) if mask is None else mask
        return cast(Tensor, self.head(self.aggregated(self.states(ids, mask, type_ids)[-1], mask)))

    def trace(self, ids: Tensor, mask: Tensor, type_ids: Tensor | None = None, *, scores: bool = False) -> Trace:
        """See `Traced`."""
        pool = partial(self.aggregated, mask=mask) if len(self.aggregations) else None
        return pooled_trace(self.states(ids, mask, type_ids), mask, pool, self.head, scores=scores)

    def states(self, ids: Tensor, mask: Tensor, type_ids: Tensor | None) -> list[Tensor]:
        """What enters the first cell and what leaves each, [batch, length, width]."""
        states = [self.embeddings(ids, type_ids)]
        masks, weights = Masks(mask, states[0].dtype), self.alpha.softmax(1)
        for cell in self.cells:
            states.append(cell(states[-1], masks, weights))
        return states

    def aggregated(self, x: Tensor, mask: Tensor) -> Tensor:
        """[batch, 1, width]; of a per-token model as it is."""
        if not len(self.aggregations):
            return x
        masks, mixed = Masks(mask, x.dtype), x.new_zeros(x.shape[0], 1, x.shape[2])
        for block, weight in zip(self.aggregations, self.beta.softmax(0), strict=True):
            mixed = mixed + weight * block(x, masks)
        return mixed

    @property
    def choices(self) -> list[nn.Parameter]:
        """The architecture's weights."""
        return [self.alpha, self.beta]

    def leans_on_identity(self) -> bool:
        """More than half of the edges prefer identity to every other block: the search has begun to collapse."""
        known = [place for place, name in enumerate(NAMES) if name != NONE]
        preferred = [NAMES[known[int(row.argmax())]] for row in self.alpha.detach()[:, known]]
        return preferred.count(IDENTITY) > len(preferred) / 2


@dataclass(frozen=True)
class StoredSupernet:
    """A supernet on disk; see `compressor.distill.job.Stored`.

    Attributes:
        space: Everything around the cells.
        nodes: Of a cell.
        stacked: Cells.
        weights: File of its weights (safetensors).
    """

    space: Architecture
    nodes: int
    stacked: int
    weights: Path

    @property
    def sizes(self) -> Sizes:
        """See `Stored`."""
        return cell_sizes(self.space, self.stacked)

    def load(self) -> Supernet:
        """See `Stored`."""
        supernet = Supernet(self.space, nodes=self.nodes, stacked=self.stacked)
        supernet.load_state_dict(load_file(self.weights))
        return supernet
