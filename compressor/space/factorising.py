"""A narrower word table: most of what a small student weighs on disk are the embeddings of its vocabulary.

    word[id] ~ A[id] B + m      B: the leading directions of the words, by how often they occur; m: their mean

With orthonormal B the best A is word B whatever the weights are, so words that never occur are projected like the
others. The mean goes to the position table, which is exact. The columns of A are scaled to one size and those of B
against it, since int8 has one step for all columns of a row.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.encoder import Encoder
from compressor.records.architecture import Architecture

WORD, WIDEN, POSITION = (f"embeddings.{name}.weight" for name in ("word", "widen", "position"))
RANK_MULTIPLE = 16  # kernels work on blocks of 16 columns
# Of the room that a size limit leaves beside the tokenizer, what the words may take.
WORDS_SHARE = 0.45
# Bytes of a row's scale in int8.
SCALE_BYTES = 4


def affordable_rank(shape: Architecture, room_bytes: int, *, value_bytes: int) -> int | None:
    """Width of a word table within its share of the room; None where the whole width is.

    Args:
        shape: Of the teacher.
        room_bytes: For the engine.
        value_bytes: Of one number of the table: 1 in int8.
    """
    width = shape.embedding or shape.hidden
    per_word = WORDS_SHARE * room_bytes / shape.vocabulary - SCALE_BYTES
    rank = int(per_word / value_bytes) // RANK_MULTIPLE * RANK_MULTIPLE
    return None if rank >= width else max(rank, RANK_MULTIPLE)


@torch.no_grad()
def factorise(encoder: Encoder, rank: int, counts: NDArray[np.int64]) -> Encoder:
    """The encoder with a word table of some width: the least squared error over the words of a text.

    Args:
        encoder: With a whole word table.
        rank: Width of the new one.
        counts: How often each word occurs, [vocabulary]; every word is counted once more.
    """
    narrow = Encoder(replace(encoder.architecture, word_rank=rank))
    state = dict(encoder.state_dict())
    words, weights = state[WORD].double(), torch.from_numpy(counts).double() + 1.0
    mean = weights @ words / weights.sum()
    table, basis = _leading(words - mean, weights, rank)
    state |= {WORD: table.float(), WIDEN: basis.float(), POSITION: (state[POSITION].double() + mean).float()}
    narrow.load_state_dict(state)
    return narrow.eval()


def _leading(words: Tensor, weights: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Table [vocabulary, rank] with columns of size 1, and what widens it, [width, rank]."""
    _, directions = torch.linalg.eigh(words.T @ (weights[:, None] * words))  # rising
    basis = directions[:, -rank:].flip(1)
    table = words @ basis
    size = (weights @ table.square() / weights.sum()).sqrt().clamp(min=1e-12)
    return table / size, basis * size
