"""All trainable parameters of a model as one vector, and so are their gradients.

One all-reduce, one norm and one fused optimiser step instead of one per parameter. Matrices come first: only they are
decayed.
"""

import torch
from torch import Tensor, nn


class FlatParameters:
    """Makes the parameters of `model` views into `values`, their gradients views into `gradients`."""

    def __init__(self, model: nn.Module) -> None:
        trainable = [p for p in model.parameters() if p.requires_grad]
        matrices = [p for p in trainable if p.dim() >= 2]
        vectors = [p for p in trainable if p.dim() < 2]
        self._parameters = matrices + vectors
        self.decayed = sum(p.numel() for p in matrices)
        total = sum(p.numel() for p in trainable)
        self.values = torch.empty(total)
        self.gradients = torch.zeros(total)
        start = 0
        for parameter in self._parameters:
            end = start + parameter.numel()
            self.values[start:end] = parameter.detach().flatten()
            parameter.data = self.values[start:end].view_as(parameter)
            parameter.grad = self.gradients[start:end].view_as(parameter)
            start = end

    def groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Parameter groups for an optimiser: matrices with decay, vectors without."""
        parts = ((slice(0, self.decayed), weight_decay), (slice(self.decayed, None), 0.0))
        return [{"params": [self._part(part)], "weight_decay": decay} for part, decay in parts]

    def _part(self, part: slice) -> nn.Parameter:
        parameter = nn.Parameter(self.values[part])
        parameter.grad = self.gradients[part]
        return parameter

    def clip(self, largest_norm: float) -> Tensor:
        """Scale the gradient down to a norm; returns the norm that it had."""
        norm: Tensor = torch.linalg.vector_norm(self.gradients)
        self.gradients.mul_((largest_norm / (norm + 1e-6)).clamp(max=1.0))
        return norm
