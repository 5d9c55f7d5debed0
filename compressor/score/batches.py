"""Batches of calibration text as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.tasks.outputs import by_length
from compressor.tasks.tokens import Tokens

# Outputs of a batch of several rows: 4 MB, of which a backward pass keeps a handful of copies.
MOST_OUTPUTS = 2**20


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one batch, int64 [rows, length] each; `mask` is 1 on tokens."""

    ids: Tensor
    mask: Tensor
    type_ids: Tensor


def calibration_batches(
    tokens: Tokens, *, pad_id: int, outputs_per_token: int = 1, batch_tokens: int = 512
) -> Sequence[Batch]:
    """All rows, grouped by length.

    Args:
        tokens: The rows.
        pad_id: Token id of padding.
        outputs_per_token: Classes of a per-token model; with many of them batches are smaller.
        batch_tokens: Most padded tokens of a batch of several rows.
    """
    batches = []
    for rows in by_length(tokens, batch_tokens=min(batch_tokens, MOST_OUTPUTS // outputs_per_token)):
        padded = tokens.padded(rows, pad_id)
        tensors = [torch.from_numpy(padded[name]) for name in ("input_ids", "attention_mask", "token_type_ids")]
        batches.append(Batch(*tensors))
    return batches
