"""In which order the units of a sub-layer are best given up, when the others are refitted each time.

| symbol | meaning |
| --- | --- |
| G | moments of what the output projection reads, their mean taken off (the bias makes up for that) |
| W | the projection [units x size, hidden], refitted to the units that are left |
| M | curvature of its output (`curvature.py`) |
| u | the columns of one unit: `size` of a head, one of a neuron |

    loss(u) = trace( (H_uu)^-1 W_u M W_u^T ),   H = (G + ridge I)^-1
    W <- W - H_:u (H_uu)^-1 W_u,   H <- H - H_:u (H_uu)^-1 H_u:

The optimal brain surgeon (Hassibi and Stork 1992) on the least-squares problem of one projection, as in ZipLM (Kurtic
et al. 2023, arXiv 2302.04089, section 3.1), with errors measured by what they do to the answers instead of by their
size: the least-squares solution is the same for every M, but not which unit is missed least.
"""

import torch
from torch import Tensor

from compressor.score.refitting import Moments, ridge_of

# Neurons are given up so many at once: a sixty-fourth, which orders them as well as one by one and takes seconds.
PARTS = 64


def elimination_order(weight: Tensor, moments: Moments, curvature: Tensor, *, size: int = 1) -> tuple[int, ...]:
    """Units from the most to the least important.

    Args:
        weight: Of the output projection, [hidden, units x size].
        moments: Of what it reads.
        curvature: Of its output, [hidden, hidden].
        size: Columns of a unit.
    """
    inverse = torch.linalg.inv(_centred(moments))
    w = weight.detach().T.double()
    v = w @ curvature
    left = torch.arange(len(w) // size)
    at_once = max(1, len(left) // PARTS) if size == 1 else 1
    given_up: list[int] = []
    while len(left):
        columns = torch.arange(len(w)).view(len(left), size)
        blocks = inverse[columns[:, :, None], columns[:, None, :]]
        seen = w[columns] @ v[columns].transpose(1, 2)
        loss = torch.linalg.solve(blocks, seen).diagonal(dim1=1, dim2=2).sum(1)
        order = torch.sort(loss, stable=True).indices
        gone, stay = order[:at_once], order[at_once:].sort().values
        given_up += left[gone].tolist()
        out, keep = columns[gone].flatten(), columns[stay].flatten()
        taken_over = torch.linalg.solve(inverse[out][:, out], inverse[out][:, keep]).T
        w, v = w[keep] - taken_over @ w[out], v[keep] - taken_over @ v[out]
        inverse = inverse[keep][:, keep] - taken_over @ inverse[out][:, keep]
        left = left[stay]
    return tuple(reversed(given_up))


def _centred(moments: Moments) -> Tensor:
    """G + ridge I, [units x size] squared."""
    whole = moments.of_units
    tokens, sums = whole[0, 0].clamp(min=1.0), whole[0, 1:]
    ridge = ridge_of(whole) * torch.eye(len(sums), dtype=whole.dtype)
    return whole[1:, 1:] - torch.outer(sums, sums) / tokens + ridge
