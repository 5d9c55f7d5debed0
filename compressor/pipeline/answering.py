"""The teacher's answers on text, kept for later runs with the same teacher and text.

    answers/0123456789abcdef.npy = digest of teacher, token ids, where rows begin, and runtime

Those of the text itself are of all rows, before a selection part is carved off. Its rows may still be other ones, or
in another order, where the data is read for something else; so the key is of the tokens themselves.
"""

import hashlib
import time

import numpy as np
from numpy.typing import NDArray

from compressor.pipeline.workbench import Workbench
from compressor.records.latency import CompileOptions
from compressor.records.serial import digest
from compressor.tasks import Tokens
from compressor.tasks.outputs import by_length

ANSWERS = "answers"  # folder in the cache
PROBE_ROWS, PROBE_SECONDS = 2000, 1.0


def teacher_answers(bench: Workbench, tokens: Tokens | None = None) -> NDArray[np.float32]:
    """The teacher's outputs.

    Args:
        bench: What all stages share.
        tokens: What is answered; None = all training rows.

    Returns:
        [rows, classes]; of a per-token teacher flat, [tokens, classes].
    """
    tokens = bench.corpus if tokens is None else tokens
    folder = bench.cache / ANSWERS
    path = folder / f"{digest(bench.teacher.digest, text_digest(tokens), bench.device.runtime)}.npy"
    expected = len(tokens.ids) if bench.teacher.kind == "token-classification" else len(tokens)
    try:
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        kept = np.zeros((0, 0), dtype=np.float32)
    if len(kept) == expected and not bench.fresh:
        return kept
    found = bench.fp32_outputs(bench.teacher_graph, tokens, report=True)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    np.save(partial, found, allow_pickle=False)
    partial.replace(path)
    return found


def text_digest(tokens: Tokens) -> str:
    """SHA-256 of token ids and of where rows begin."""
    found = hashlib.sha256(tokens.offsets.tobytes())
    found.update(tokens.ids.tobytes())
    return found.hexdigest()


def tokens_per_second(bench: Workbench) -> float:
    """Of the fp32 teacher on all cores, measured for a second."""
    engine = bench.device.compile(
        bench.teacher_graph.SerializeToString(), CompileOptions(bench.device_fingerprint.usable_cores)
    )
    chosen = np.random.default_rng(0).permutation(len(bench.train))[:PROBE_ROWS]
    sample = bench.train.select(chosen)
    begin, done = time.monotonic(), 0
    for batch in by_length(sample, batch_tokens=2048):
        feeds = sample.padded(batch, bench.pad_id)
        engine.run({name: feeds[name] for name in engine.inputs})
        done += int(feeds["attention_mask"].sum())
        if time.monotonic() - begin > PROBE_SECONDS:
            break
    return done / (time.monotonic() - begin)
