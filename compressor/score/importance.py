"""Importance of heads and neurons: the diagonal Fisher information of a factor on each unit's output.

    I(u) = sum over examples x, classes c of  p_c(x) (d log p_c(x) / d m_u)^2   at m_u = 1

The second-order loss of removing one unit (Kwon et al. 2022, eq. 6, who use the labels instead); the expectation over
the teacher's own distribution needs none.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.encoder import Encoder
from compressor.score.batches import Batch


def unit_importance(teacher: Encoder, batches: Sequence[Batch]) -> list[tuple[Tensor, Tensor]]:
    """Importance of the heads [heads] and the neurons [neurons] of every layer, float64."""
    layers = teacher.architecture.layers
    totals = [(torch.zeros(w.heads, dtype=torch.float64), torch.zeros(w.neurons, dtype=torch.float64)) for w in layers]
    for batch in batches:
        rows = len(batch.ids)
        keep = [
            (torch.ones(rows, w.heads, requires_grad=True), torch.ones(rows, w.neurons, requires_grad=True))
            for w in layers
        ]
        log_p = teacher(batch.ids, batch.mask, batch.type_ids, keep).log_softmax(-1)
        factors = [factor for pair in keep for factor in pair if factor.shape[1]]
        for index in range(log_p.shape[1]):
            gradients = torch.autograd.grad(log_p[:, index].sum(), factors, retain_graph=True, allow_unused=True)
            weight = log_p[:, index].detach().exp()[:, None]
            found = iter(gradients)
            for pair in totals:
                for total in pair:
                    if total.numel() and (gradient := next(found)) is not None:
                        total += (weight * gradient.square()).sum(0).double()
    return totals


def order(importance: Tensor) -> tuple[int, ...]:
    """Units from the most to the least important; ties by index."""
    return tuple(int(i) for i in torch.sort(importance, descending=True, stable=True).indices)
