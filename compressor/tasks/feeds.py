"""Inputs of exactly the promised shape, made of the task's own tokens."""

import numpy as np
from numpy.typing import NDArray

from compressor.records.promise import Workload
from compressor.tasks.tokens import Tokens

COUNT = 16


def workload_feeds(tokens: Tokens, workload: Workload, *, count: int = COUNT) -> list[dict[str, NDArray[np.int64]]]:
    """`count` inputs of shape [batch, sequence_length], full of real tokens.

    Several, because one repeated input would find its rows of the word embedding in the cache; real ones, because
    random ids would hit rows that no text does.
    """
    shape = (count, workload.batch, workload.sequence_length)
    ids = np.resize(tokens.ids.astype(np.int64), shape)
    mask, types = np.ones_like(ids[0]), np.zeros_like(ids[0])
    return [{"input_ids": ids[i], "attention_mask": mask, "token_type_ids": types} for i in range(count)]
