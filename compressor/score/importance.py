"""Importance of heads and neurons: the diagonal Fisher information of a factor on each unit's output.

    I(u) = sum over examples x, classes c of  p_c(x) (d log p_c(x) / d m_u)^2   at m_u = 1

The second-order loss of removing one unit (Kwon et al. 2022, eq. 6, who use the labels instead); the expectation over
the teacher's own distribution needs none. A regression is a Gaussian around its output z:

    I(u) = sum over examples x of (d z(x) / d m_u)^2

Of more than MOST_CLASSES classes, and of the tokens of a per-token model, DRAWS classes are drawn from p for each x:

    I(u) ~ sum over x of mean over draws of (d / d m_u of sum over the tokens i of x of log p(c_i))^2

which is unbiased: E[d log p(c)] = 0 under p, so the products of two tokens drop out.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from compressor.encoder import Encoder, drop_padding
from compressor.records.task import TaskKind
from compressor.score.batches import Batch

MOST_CLASSES = 8  # for which there is one backward pass each
DRAWS = 2


def unit_importance(teacher: Encoder, batches: Sequence[Batch], *, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Importance of the heads [heads] and the neurons [neurons] of every layer, float64.

    Args:
        teacher: An encoder, cut or whole.
        batches: Calibration text.
        seed: Of the classes that are drawn.
    """
    layers, kind = teacher.architecture.layers, teacher.architecture.kind
    random = torch.Generator().manual_seed(seed)
    totals = [(torch.zeros(w.heads, dtype=torch.float64), torch.zeros(w.neurons, dtype=torch.float64)) for w in layers]
    for batch in batches:
        rows = len(batch.ids)
        keep = [
            (torch.ones(rows, w.heads, requires_grad=True), torch.ones(rows, w.neurons, requires_grad=True))
            for w in layers
        ]
        outputs = drop_padding(teacher(batch.ids, batch.mask, batch.type_ids, keep), batch.mask)
        factors = [factor for pair in keep for factor in pair if factor.shape[1]]
        for scalar, weight in _terms(outputs, kind, random):
            gradients = torch.autograd.grad(scalar, factors, retain_graph=True, allow_unused=True)
            found = iter(gradients)
            for pair in totals:
                for total in pair:
                    if total.numel() and (gradient := next(found)) is not None:
                        total += (weight * gradient.square()).sum(0).double()
    return totals


def _terms(outputs: Tensor, kind: TaskKind, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor | float]]:
    """What is differentiated, and the weight of its squared gradient, one for all rows or [rows, 1].

    `outputs`: [rows, classes], of a per-token model [tokens, classes].
    """
    if kind == "regression":
        yield outputs.sum(), 1.0
        return
    log_p = outputs.log_softmax(-1)
    if kind == "text-classification" and log_p.shape[1] <= MOST_CLASSES:
        for index in range(log_p.shape[1]):
            yield log_p[:, index].sum(), log_p[:, index].detach().exp()[:, None]
        return
    drawn = torch.multinomial(log_p.detach().exp(), DRAWS, replacement=True, generator=random)
    for classes in drawn.T:
        yield log_p.gather(1, classes[:, None]).sum(), 1 / DRAWS


def order(importance: Tensor) -> tuple[int, ...]:
    """Units from the most to the least important; ties by index."""
    return tuple(int(i) for i in torch.sort(importance, descending=True, stable=True).indices)
