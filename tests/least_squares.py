"""Refitted projections by a second way: one stacked least-squares problem in float64 instead of normal equations."""

import numpy as np
import torch
from numpy.typing import NDArray

from compressor.encoder import Attention, Encoder, FeedForward, additive_mask
from compressor.score import Batch
from compressor.score.refitting import RIDGE

Matrix = NDArray[np.float64]


def refitted(read: Matrix, kept: NDArray[np.bool_], start: Matrix, goal: Matrix) -> Matrix:
    """The W that minimises |[1, read] W - goal|^2 + ridge |W - start|^2 and is 0 where a unit is cut.

    Args:
        read: [tokens, units].
        kept: Units that are not cut, [units].
        start: [units + 1, hidden], the bias first.
        goal: [tokens, hidden].
    """
    u = np.concatenate([np.ones((len(read), 1)), read], axis=1)
    ridge = RIDGE * np.square(u).sum(0).mean()
    rows = np.concatenate([[True], kept])
    left, start_left = u[:, rows], start[rows]
    stacked = np.concatenate([left, np.sqrt(ridge) * np.eye(left.shape[1])])
    wanted = np.concatenate([goal - left @ start_left, np.zeros_like(start_left)])
    result = np.zeros_like(start)
    result[rows] = start_left + np.linalg.lstsq(stacked, wanted, rcond=None)[0]
    return result


def projection_of(sub_layer: Attention | FeedForward) -> Matrix:
    """Its output projection, [units + 1, hidden], the bias first."""
    parts = [sub_layer.output.bias[None], sub_layer.output.weight.T]
    return torch.cat(parts).detach().double().numpy()


def read_by(encoder: Encoder, index: int, *, attention: bool, batches: list[Batch]) -> Matrix:
    """What an output projection of the encoder reads at the tokens that matter, [tokens, units]."""
    found = []
    with torch.no_grad():
        for batch in batches:
            x, mask = encoder.embeddings(batch.ids, batch.type_ids), additive_mask(batch.mask)
            for earlier in range(index):
                x = encoder.run_layer(earlier, x, mask)
            first, second = encoder.layers[index].attention, encoder.layers[index].feed_forward
            read = first.features(x, mask) if attention else second.features(first(x, mask))
            rows = batch.mask.bool()
            if index >= encoder.architecture.first_token_from:
                rows = torch.arange(rows.shape[1])[None] < torch.ones(len(rows), 1)
            found.append(read[rows].double().numpy())
    return np.concatenate(found)
