"""Damage of every level of every sub-layer: what the teacher's outputs lose when only that one is cut.

    e(l, k) = mean over examples of the divergence of z_(l,k) from z

(`divergence.py` has the formula of every kind of task.)
Replaced-block scoring (Puzzle, Bercovich et al. 2024, section 3.2) on the teacher itself. The hidden states in front
of each layer are computed once; only the layers behind the cut run again. Level 0 leaves out the whole sub-layer, its
bias and its norm, as the student will.
"""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from compressor.encoder import Encoder, additive_mask, drop_padding
from compressor.records.architecture import Architecture
from compressor.records.score import LayerScore, ScoredSpace, check_scores
from compressor.score.batches import Batch
from compressor.score.divergence import divergence, output_variance, squared_error
from compressor.score.importance import order, unit_importance
from compressor.space import head_levels, neuron_levels

Progress = Callable[[float], None]


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
    teacher: Encoder,
    importance_batches: Sequence[Batch],
    damage_batches: Sequence[Batch],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> ScoredSpace:
    """Order of the units of every layer and damage of every level.

    Args:
        teacher: A whole encoder.
        importance_batches: Text that the units are ordered on.
        damage_batches: Text that the levels are judged on.
        seed: Of the classes that the importance draws.
        progress: Called with the share that is done.
    """
    shape = teacher.architecture
    levels = head_levels(shape), neuron_levels(shape)
    importance = unit_importance(teacher, importance_batches, seed=seed)
    orders = [(order(heads), order(neurons)) for heads, neurons in importance]
    totals = [[torch.zeros(len(k), dtype=torch.float64) for k in levels] for _ in shape.layers]
    rows = sum(len(batch.ids) for batch in damage_batches)
    variance = output_variance(teacher, damage_batches) if shape.kind == "regression" else 1.0
    for done, batch in enumerate(damage_batches):
        _add_batch(teacher, batch, levels, orders, totals)
        if progress is not None:
            progress((done + 1) / len(damage_batches))
    scores = [
        LayerScore(heads, neurons, *(tuple(float(x) / (rows * variance) for x in total) for total in pair))
        for (heads, neurons), pair in zip(orders, totals, strict=True)
    ]
    return check_scores(ScoredSpace(*levels, tuple(scores)), shape)


@torch.inference_mode()
def _add_batch(
    teacher: Encoder,
    batch: Batch,
    levels: tuple[tuple[int, ...], tuple[int, ...]],
    orders: list[tuple[tuple[int, ...], tuple[int, ...]]],
    totals: list[list[Tensor]],
) -> None:
    mask = additive_mask(batch.mask)
    difference = squared_error if teacher.architecture.kind == "regression" else divergence

    def rest(start: int, x: Tensor) -> Tensor:
        return drop_padding(teacher.from_layer(start, x, mask), batch.mask)

    x = teacher.embeddings(batch.ids, batch.type_ids)
    target = rest(0, x)
    for index, layer in enumerate(teacher.architecture.layers):
        attention, feed_forward = teacher.sub_layers(index)
        after_attention = attention(x, mask)
        # The last level of each is the teacher itself: nothing is lost.
        for k, heads in enumerate(levels[0][:-1]):
            cut = attention(x, mask, keep=_keep(orders[index][0][:heads], layer.heads)) if heads else x
            totals[index][0][k] += difference(target, rest(index + 1, feed_forward(cut)))
        for k, neurons in enumerate(levels[1][:-1]):
            keep = _keep(orders[index][1][:neurons], layer.neurons)
            cut = feed_forward(after_attention, keep=keep) if neurons else after_attention
            totals[index][1][k] += difference(target, rest(index + 1, cut))
        x = feed_forward(after_attention)


def _keep(units: tuple[int, ...], width: int) -> Tensor:
    keep = torch.zeros(1, width)
    keep[0, list(units)] = 1.0
    return keep
