"""Run an engine over all rows of a data set."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.base import Device, Engine
from compressor.tasks.ragged import take
from compressor.tasks.tokens import Tokens

BATCH_TOKENS = 2048


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


def model_outputs(
    device: Device,
    model: bytes | Path,
    options: CompileOptions,
    tokens: Tokens,
    *,
    precision: Precision,
    threads: int,
    pad_id: int,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Outputs of a model as a user gets them, in the shape of `engine_outputs`.

    Args:
        device: What compiles it.
        model: Serialised, or a file.
        options: Compile options; their threads are replaced.
        tokens: Untruncated rows.
        precision: int8 is run one row at a time, without padding, since the ranges of run-time quantisation depend on
            what shares the batch; so is an engine that is compiled for certain shapes, since a batch would run in
            another one. The others in batches, whose padding changes nothing.
        threads: Used here: they change how long it takes, not what comes out.
        pad_id: Token id of padding.
        progress: Called with the share that is done.
    """
    engine = device.compile(model, replace(options, threads=threads))
    batch_tokens = 0 if precision is Precision.INT8 or options.shapes else BATCH_TOKENS
    return engine_outputs(engine, tokens, pad_id=pad_id, batch_tokens=batch_tokens, progress=progress)


def engine_outputs(
    engine: Engine,
    tokens: Tokens,
    *,
    pad_id: int,
    batch_tokens: int = 0,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Outputs of every row, in the order of the rows.

    Args:
        engine: What is run.
        tokens: Untruncated rows.
        pad_id: Token id of padding.
        batch_tokens: Padded tokens per batch; 0 = one row at a time, without padding.
        progress: Called with the share that is done.

    Returns:
        float32 [rows, classes]; of a model that answers per token [tokens, classes], aligned with `tokens.ids`.
    """
    outputs: NDArray[np.float32] | None = None
    done = 0
    for rows in by_length(tokens, batch_tokens=batch_tokens):
        feeds = tokens.padded(rows, pad_id)
        found = engine.run({name: feeds[name] for name in engine.inputs})
        per_token = found.ndim == 3  # [batch, length, classes]
        if outputs is None:
            outputs = np.empty((len(tokens.ids if per_token else tokens), found.shape[-1]), dtype=np.float32)
        if per_token:
            outputs[take(tokens.offsets, rows)[0]] = found[feeds["attention_mask"] == 1]
        else:
            outputs[rows] = found
        done += len(rows)
        if progress is not None:
            progress(done / len(tokens))
    return np.zeros((0, 0), dtype=np.float32) if outputs is None else outputs
