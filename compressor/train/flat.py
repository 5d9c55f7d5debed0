"""All trainable parameters of a model as one vector, and so are the gradients of each part of a batch.

One pass over memory instead of one per parameter, and vectors that several processes can share. Matrices come first:
only they are decayed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FlatParameters:
    """The trainable parameters of a model, in a fixed order."""

    def __init__(self, model: nn.Module) -> None:
        trainable = [p for p in model.parameters() if p.requires_grad]
        matrices = [p for p in trainable if p.dim() >= 2]
        self._parameters = matrices + [p for p in trainable if p.dim() < 2]
        self.decayed = sum(p.numel() for p in matrices)
        self.size = sum(p.numel() for p in trainable)

    def write(self, values: Tensor) -> None:
        """Copy the parameters into a vector [size]."""
        for view, parameter in zip(self._views(values), self._parameters, strict=True):
            view.copy_(parameter.detach())

    def read_from(self, values: Tensor) -> None:
        """Make the parameters views into a vector [size]: both sides see every change."""
        for view, parameter in zip(self._views(values), self._parameters, strict=True):
            parameter.data = view

    def gradients_into(self, vector: Tensor) -> None:
        """Let the next backward pass add to a vector [size]."""
        for view, parameter in zip(self._views(vector), self._parameters, strict=True):
            parameter.grad = view

    def decay(self, share: slice, weight_decay: float) -> list[tuple[slice, float]]:
        """The pieces of a share of the vector, each with its weight decay."""
        edge = min(max(self.decayed, share.start), share.stop)
        pieces = ((slice(share.start, edge), weight_decay), (slice(edge, share.stop), 0.0))
        return [(piece, decay) for piece, decay in pieces if piece.start < piece.stop]

    def _views(self, vector: Tensor) -> Sequence[Tensor]:
        parts = torch.split(vector, [p.numel() for p in self._parameters])
        return [part.view_as(p) for part, p in zip(parts, self._parameters, strict=True)]
