"""Run an engine over all rows of a data set."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.base import Engine
from compressor.tasks.tokens import Tokens


def by_length(tokens: Tokens, *, batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Rows in batches of similar length, each at most `batch_tokens` padded tokens (at least one row)."""
    order = np.argsort(tokens.lengths, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * int(tokens.lengths[order[end]]) <= batch_tokens:
            end += 1
        yield order[start:end]
        start = end


def engine_outputs(
    engine: Engine,
    tokens: Tokens,
    *,
    pad_id: int,
    batch_tokens: int = 0,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Logits [rows, classes] of every row, in the order of the rows.

    Args:
        engine: What is run.
        tokens: Untruncated rows.
        pad_id: Token id of padding.
        batch_tokens: Padded tokens per batch. 0 = one row at a time, without padding: the only way that says what an
            engine with run-time quantisation does for a user, since its ranges depend on what shares the batch.
        progress: Called with the share that is done.
    """
    logits: NDArray[np.float32] | None = None
    done = 0
    for rows in by_length(tokens, batch_tokens=batch_tokens):
        feeds = tokens.padded(rows, pad_id)
        found = engine.run({name: feeds[name] for name in engine.inputs})
        if logits is None:
            logits = np.empty((len(tokens), found.shape[1]), dtype=np.float32)
        logits[rows] = found
        done += len(rows)
        if progress is not None:
            progress(done / len(tokens))
    return np.zeros((0, 0), dtype=np.float32) if logits is None else logits
