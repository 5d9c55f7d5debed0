"""Rows of a split to what a model reads and what its outputs are compared with."""

import numpy as np

from compressor.records.task import TaskSpec
from compressor.tasks.data import Split, words_of
from compressor.tasks.ragged import offsets_of
from compressor.tasks.targets import IGNORED, UNKNOWN, Targets
from compressor.tasks.tokenizer import TextTokenizer
from compressor.tasks.tokens import Tokens


def encode_split(tokenizer: TextTokenizer, split: Split, spec: TaskSpec, *, max_length: int) -> tuple[Tokens, Targets]:
    """Tokens and targets of all rows of a split.

    Args:
        tokenizer: The teacher's.
        split: Texts, with or without labels.
        spec: The task; token classification has a target per token.
        max_length: The teacher's maximum in tokens.

    Returns:
        (tokens [rows], targets [rows]); the targets are `UNKNOWN` where the split has no labels.

    Raises:
        InputError: A maximum that leaves no room for a text.
    """
    if spec.kind == "token-classification":
        return _encode_words(tokenizer, split, spec.label_names, max_length)
    tokens = tokenizer.encode(split.texts, max_length=max_length)
    labels = np.full(len(split), UNKNOWN, dtype=np.int64) if split.labels is None else split.labels
    return tokens, Targets(labels)


def _encode_words(
    tokenizer: TextTokenizer, split: Split, tags: tuple[str, ...], max_length: int
) -> tuple[Tokens, Targets]:
    rows = [words_of(text) for (text,) in split.texts]
    tokens, words = tokenizer.encode_words(rows, max_length=max_length)
    values = np.full(len(words), IGNORED, dtype=np.int64)
    counted = words >= 0
    if split.labels is None:
        values[counted] = UNKNOWN
    else:
        begins = np.repeat(offsets_of([len(row) for row in rows])[:-1], tokens.lengths)
        values[counted] = split.labels[(begins + words)[counted]]
    return tokens, Targets(values, tokens.offsets, tags)
