"""Refitting output projections: after a cut, the units that are left take over what the lost ones did.

| symbol | meaning |
| --- | --- |
| u | what an output projection reads at one token, and a 1 for its bias: [units + 1] |
| W | its weights and bias, [units + 1, hidden] |
| r | what is missing from its output |

    W  <-  W + (sum of u u^T + ridge I)^-1  sum of u r^T

the least-squares update that stays near W (Frantar et al. 2022, arXiv 2208.11580, section 3; K-prune, Park et al.
2024, arXiv 2308.03449, section 3.4, solves for W from nothing). The sums run over the tokens whose output is read.

Of one level of one sub-layer of the teacher, r = u_C W_C with C the units that are cut, so that `level_projections`
needs nothing but the moments of u, and one Cholesky factor for all levels, as they are nested. A whole student is
refitted from its input to its output (`refit`): its own u, and r against the teacher's sum in front of the norm. Where
the teacher's next sub-layers are gone, r is against the sum of the last of them, and its norm is taken over: one
sub-layer does the work of several.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compressor.encoder import Attention, Encoder, FeedForward, additive_mask
from compressor.records.architecture import Cut
from compressor.score.batches import Batch

RIDGE = 3e-2  # over the mean of the diagonal: with few tokens the weights stay what they are

SubLayer = Attention | FeedForward


@dataclass(frozen=True, eq=False)
class Projection:
    """An output projection: weight [hidden, units], bias [hidden]."""

    weight: Tensor
    bias: Tensor


def features(sub_layer: SubLayer, x: Tensor, mask: Tensor) -> Tensor:
    """What its output projection reads, [batch, length, units]; `mask` is additive."""
    return sub_layer.features(x, mask) if isinstance(sub_layer, Attention) else sub_layer.features(x)


def apply(sub_layer: SubLayer, x: Tensor, mask: Tensor) -> Tensor:
    """Its output at all positions, [batch, length, hidden]; `mask` is additive."""
    applied: Tensor = sub_layer(x, mask) if isinstance(sub_layer, Attention) else sub_layer(x)
    return applied


def read_tokens(batch: Batch, *, first_only: bool) -> Tensor:
    """Tokens whose output is read, bool [rows, length]: the real ones, or the first."""
    if not first_only:
        return batch.mask.bool()
    first = torch.zeros_like(batch.mask, dtype=torch.bool)
    first[:, 0] = True
    return first


def ridge_of(gram: Tensor) -> Tensor:
    """What is added to the diagonal of moments."""
    ridge: Tensor = RIDGE * gram.diagonal().mean().clamp(min=1e-12)
    return ridge


class Moments:
    """Sums over tokens of u u^T [units + 1, units + 1] and u r^T [units + 1, hidden], float64; the 1 comes first."""

    def __init__(self, units: int, hidden: int = 0) -> None:
        self.of_units = torch.zeros(units + 1, units + 1, dtype=torch.float64)
        self.with_missing = torch.zeros(units + 1, hidden, dtype=torch.float64)

    def add(self, read: Tensor, missing: Tensor | None = None) -> None:
        """Add tokens: `read` [tokens, units], `missing` [tokens, hidden]."""
        u = torch.cat([torch.ones(len(read), 1), read], dim=1)
        self.of_units += u.T @ u
        if missing is not None:
            self.with_missing += u.T @ missing

    def factor(self, order: Tensor | None = None) -> Tensor:
        """Lower Cholesky factor of u u^T + ridge, with rows and columns in an order."""
        gram = self.of_units if order is None else self.of_units[order][:, order]
        factor: Tensor = torch.linalg.cholesky(gram + ridge_of(gram) * torch.eye(len(gram), dtype=gram.dtype))
        return factor


def level_projections(
    projection: nn.Linear, moments: Moments, unit_order: Sequence[int], counts: Sequence[int], *, size: int = 1
) -> Iterator[Projection]:
    """The refitted projection of every level, whole width with zeros for the units that are cut.

    Args:
        projection: The teacher's.
        moments: Of what it reads.
        unit_order: Units, the most important first.
        counts: Units that each level keeps, each at least 1.
        size: Columns of the projection per unit: 1, or the size of a head.
    """
    columns = (torch.tensor(unit_order)[:, None] * size + torch.arange(size)).flatten()
    order = torch.cat([torch.zeros(1, dtype=torch.long), columns + 1])
    whole = torch.cat([projection.bias[:, None], projection.weight], dim=1).detach().T.double()[order]
    factor, gram = moments.factor(order), moments.of_units[order][:, order]
    for count in counts:
        kept = 1 + count * size
        missing = gram[:kept, kept:] @ whole[kept:]
        fitted = torch.zeros_like(whole)
        fitted[order[:kept]] = whole[:kept] + torch.cholesky_solve(missing, factor[:kept, :kept])
        yield Projection(fitted[1:].T.float().contiguous(), fitted[0].float())


class Reference:
    """What an encoder's sub-layers come to on some text: made once, for any number of its students.

    Args:
        teacher: The encoder that is cut, a teacher or a student itself.
        batches: Text.
    """

    @torch.inference_mode()
    def __init__(self, teacher: Encoder, batches: Sequence[Batch]) -> None:
        self.teacher, self.batches = teacher, batches
        self.masks = [additive_mask(batch.mask) for batch in batches]
        self.embedded = [teacher.embeddings(batch.ids, batch.type_ids) for batch in batches]
        self._sums = dict(self._summed())

    def sums(self, position: int) -> list[Tensor]:
        """In front of the norm of a sub-layer, per batch: its input and its output, [rows, length, hidden]."""
        return self._sums[position]

    def _summed(self) -> Iterator[tuple[int, list[Tensor]]]:
        states = self.embedded
        for position, part in enumerate(self.teacher.parts):
            if part is not None:
                pairs = zip(states, self.masks, strict=True)
                sums = [x + part.output(features(part, x, mask)) for x, mask in pairs]
                yield position, sums
                states = [part.norm(total) for total in sums]


@torch.inference_mode()
def refit(student: Encoder, reference: Reference, cut: Cut) -> None:
    """Refit every output projection of a student, in place, from its input to its output.

    Args:
        student: What `inherit` made of the cut.
        reference: What was cut, on some text.
        cut: Which of its units the student has.
    """
    states = reference.embedded
    for place in _places(student, reference.teacher, cut):
        layer = place.sub_layer
        read = [features(layer, x, mask) for x, mask in zip(states, reference.masks, strict=True)]
        moments = Moments(layer.output.in_features, reference.teacher.architecture.hidden)
        for batch, x, u, wanted in zip(reference.batches, states, read, reference.sums(place.position), strict=True):
            rows = read_tokens(batch, first_only=place.first_only)
            moments.add(u[rows], wanted[rows] - x[rows] - layer.output(u[rows]))
        _update(layer.output, moments)
        layer.norm.load_state_dict(place.source.norm.state_dict())
        states = [layer.norm(x + layer.output(u)) for x, u in zip(states, read, strict=True)]


@dataclass(frozen=True, eq=False)
class _Place:
    """A sub-layer of a student, and the last of the teacher's before the student's next one, with its position."""

    sub_layer: SubLayer
    source: SubLayer
    position: int
    first_only: bool


def _places(student: Encoder, teacher: Encoder, cut: Cut) -> list[_Place]:
    found: list[tuple[int, SubLayer, bool]] = []
    kept = [index for index, layer in enumerate(cut.layers) if layer.heads or layer.neurons]
    for number, (index, layer) in enumerate(zip(kept, student.layers, strict=True)):
        first_only = number >= student.architecture.first_token_from
        for offset, sub_layer in enumerate((layer.attention, layer.feed_forward)):
            if isinstance(sub_layer, Attention | FeedForward):
                found.append((2 * index + offset, sub_layer, first_only))
    there = [(position, part) for position, part in enumerate(teacher.parts) if part is not None]
    ends = [position for position, _, _ in found[1:]] + [len(teacher.parts)]
    places = []
    for (_, sub_layer, first_only), end in zip(found, ends, strict=True):
        position, source = [(position, part) for position, part in there if position < end][-1]
        places.append(_Place(sub_layer, source, position, first_only))
    return places


def _update(projection: nn.Linear, moments: Moments) -> None:
    change = torch.cholesky_solve(moments.with_missing, moments.factor()).float()
    projection.bias.add_(change[0])
    projection.weight.add_(change[1:].T)
