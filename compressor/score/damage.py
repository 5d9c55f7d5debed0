"""Damage of every level of every sub-layer: what an encoder's outputs lose when only that one is cut.

    e(l, k) = mean over examples of the divergence of z_(l,k) from z

(`divergence.py` has the formula of every kind of task.)
Replaced-block scoring (Puzzle, Bercovich et al. 2024, section 3.2) on the encoder itself, with the output projection
of each level refitted (`refitting.py`) as the student's will be. The hidden states in front of each sub-layer are
computed once; only what is behind the cut runs again. Level 0 leaves out the whole sub-layer, its bias and its norm.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import ceil

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from compressor.encoder import Attention, Encoder, FeedForward, additive_mask, drop_padding
from compressor.records.architecture import Architecture
from compressor.records.score import LayerScore, ScoredSpace, UnitScore, check_scores
from compressor.score.batches import Batch
from compressor.score.curvature import Curvature, output_curvature
from compressor.score.divergence import divergence, output_variance, squared_error
from compressor.score.elimination import elimination_order
from compressor.score.refitting import Moments, Projection, SubLayer, apply, features, level_projections, read_tokens
from compressor.space import head_levels, levels_within, neuron_levels

Progress = Callable[[float], None]
Units = tuple[int, ...]

CURVED = 40  # batches that the curvature is taken from: it is a mean over many tokens, and takes two passes back


def affordable_rows(teacher: Encoder, batches: Sequence[Batch], seconds: float) -> int:
    """Rows of such text whose damages take about so many seconds; measured on the batch in the middle."""
    batch = batches[len(batches) // 2]
    times = []
    with torch.inference_mode():
        for _ in range(3):
            begin = time.monotonic()
            teacher(batch.ids, batch.mask, batch.type_ids)
            times.append(time.monotonic() - begin)
    return int(seconds / (min(times) / len(batch.ids) * passes_per_row(teacher.architecture)))


def passes_per_row(shape: Architecture) -> float:
    """What the damages of one row take, in passes of the whole teacher: it grows with the square of the depth."""
    levels = len(head_levels(shape)) + len(neuron_levels(shape)) - 2
    depth = len(shape.layers)
    return sum(levels * (depth - index - 0.5) for index in range(depth)) / depth + 1


def score_space(
    source: Encoder,
    fitting_batches: Sequence[Batch],
    damage_batches: Sequence[Batch],
    *,
    levels: tuple[Units, Units] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ScoredSpace:
    """Order of the units of every sub-layer and damage of every level.

    Args:
        source: The encoder that will be cut, a teacher or a student.
        fitting_batches: Text that the units are ordered and the projections refitted on.
        damage_batches: Text that the levels are judged on.
        levels: Numbers of heads and of neurons that may be kept; None = those of the source as a teacher.
        seed: Of the classes that the curvature draws.
        progress: Called with the share that is done.
    """
    shape = source.architecture
    allowed = (head_levels(shape), neuron_levels(shape)) if levels is None else levels
    curvature = output_curvature(source, fitting_batches[:: ceil(len(fitting_batches) / CURVED)], seed=seed)
    fitting, judged = _Walk(source, fitting_batches), _Walk(source, damage_batches)
    scores = []
    for index, pair in enumerate(curvature):
        scores.append(LayerScore(*_layer_scores(source, index, pair, allowed, fitting, judged)))
        if progress is not None:
            progress(1 - (1 - (index + 1) / len(curvature)) ** 2)  # the layers behind are ever fewer
    return check_scores(ScoredSpace(tuple(scores)), shape)


@torch.inference_mode()
def _layer_scores(
    source: Encoder,
    index: int,
    curvature: Curvature,
    allowed: tuple[Units, Units],
    fitting: "_Walk",
    judged: "_Walk",
) -> Iterator[UnitScore]:
    """Of both sub-layers, heads first; both walks go on to the next layer."""
    shape, layer = source.architecture, source.layers[index]
    parts = ((layer.attention, shape.head_size), (layer.feed_forward, 1))
    for (sub_layer, size), matters, levels in zip(parts, curvature, allowed, strict=True):
        if not isinstance(sub_layer, Attention | FeedForward) or matters is None:
            yield UnitScore((), (0,), (0.0,))
            continue
        moments = fitting.moments(sub_layer, first_only=index >= shape.first_token_from)
        chosen = elimination_order(sub_layer.output.weight, moments, matters, size=size)
        counts = levels_within(levels, len(chosen))
        cuts = [None, *level_projections(sub_layer.output, moments, chosen, counts[1:-1], size=size)]
        lost = judged.lost(sub_layer, cuts, partial(_rest, source, index, sub_layer))
        for walk in (fitting, judged):
            walk.advance(sub_layer)
        yield UnitScore(chosen, counts, (*lost, 0.0))  # the last level is the source itself


def _rest(source: Encoder, index: int, sub_layer: SubLayer, x: Tensor, mask: Tensor) -> Tensor:
    """Outputs from the state behind a sub-layer of layer `index`."""
    follower = source.layers[index].feed_forward
    if sub_layer is not follower and isinstance(follower, FeedForward):
        x = follower(x)
    return source.from_layer(index + 1, x, mask)


class _Walk:
    """Text with the states [rows, length, hidden] that enter the sub-layer at hand, from the first to the last."""

    @torch.inference_mode()
    def __init__(self, source: Encoder, batches: Sequence[Batch]) -> None:
        self._batches = batches
        self._masks = [additive_mask(batch.mask) for batch in batches]
        self._states = [source.embeddings(batch.ids, batch.type_ids) for batch in batches]
        kind = source.architecture.kind
        self._difference = squared_error if kind == "regression" else divergence
        self._unit = float(sum(len(batch.ids) for batch in batches))
        self._unit *= output_variance(source, batches) if kind == "regression" else 1.0

    def moments(self, sub_layer: SubLayer, *, first_only: bool) -> Moments:
        """Of what the output projection of a sub-layer reads."""
        moments = Moments(sub_layer.output.in_features)
        for batch, x, mask in zip(self._batches, self._states, self._masks, strict=True):
            moments.add(features(sub_layer, x, mask)[read_tokens(batch, first_only=first_only)])
        return moments

    def lost(
        self,
        sub_layer: SubLayer,
        cuts: Sequence[Projection | None],
        rest: Callable[[Tensor, Tensor], Tensor],
    ) -> list[float]:
        """Mean divergence of the outputs with each cut; None = the sub-layer is gone."""
        totals = [0.0] * len(cuts)
        for batch, x, mask in zip(self._batches, self._states, self._masks, strict=True):
            read = features(sub_layer, x, mask)
            target = drop_padding(rest(sub_layer.norm(x + sub_layer.output(read)), mask), batch.mask)
            for k, cut in enumerate(cuts):
                y = x if cut is None else sub_layer.norm(x + F.linear(read, cut.weight, cut.bias))
                totals[k] += self._difference(target, drop_padding(rest(y, mask), batch.mask))
        return [total / self._unit for total in totals]

    def advance(self, sub_layer: SubLayer) -> None:
        """Let the states go through the sub-layer."""
        self._states = [apply(sub_layer, x, mask) for x, mask in zip(self._states, self._masks, strict=True)]
