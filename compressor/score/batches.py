"""Batches of calibration text as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.tasks.outputs import by_length
from compressor.tasks.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one batch, int64 [rows, length] each; `mask` is 1 on tokens."""

    ids: Tensor
    mask: Tensor
    type_ids: Tensor


def calibration_batches(tokens: Tokens, *, pad_id: int, batch_tokens: int = 512) -> Sequence[Batch]:
    """All rows, grouped by length."""
    batches = []
    for rows in by_length(tokens, batch_tokens=batch_tokens):
        padded = tokens.padded(rows, pad_id)
        tensors = [torch.from_numpy(padded[name]) for name in ("input_ids", "attention_mask", "token_type_ids")]
        batches.append(Batch(*tensors))
    return batches
