"""The teacher's answers on the training text, kept for later runs with the same teacher and text.

    answers/0123456789abcdef.npy = digest of teacher, data, columns and runtime; of changed copies also of their number

Those of the text itself are of all rows, before a selection part is carved off: other limits, seeds and shares find
them too.
"""

import time

import numpy as np
from numpy.typing import NDArray

from compressor.pipeline.workbench import Workbench
from compressor.records.latency import CompileOptions
from compressor.records.serial import digest
from compressor.tasks import Tokens
from compressor.tasks.outputs import by_length

ANSWERS = "answers"  # folder in the cache
METHOD = 2  # of changing texts; answers on copies that another method made are asked for anew
PROBE_ROWS, PROBE_SECONDS = 2000, 1.0


def teacher_answers(bench: Workbench) -> NDArray[np.float32]:
    """Outputs of all training rows, [rows, classes]; of a per-token teacher flat, [tokens, classes]."""
    return _answers(bench, bench.corpus)


def copies_answers(bench: Workbench, changed: Tokens, copies: int) -> NDArray[np.float32]:
    """The same of changed copies, which seed and number make what they are."""
    return _answers(bench, changed, bench.request.seed, copies, METHOD)


def _answers(bench: Workbench, tokens: Tokens, *of: int) -> NDArray[np.float32]:
    request, folder = bench.request, bench.cache / ANSWERS
    columns = (request.text_columns, request.label_column)
    path = folder / f"{digest(bench.teacher.digest, bench.data.digest, columns, bench.device.runtime, *of)}.npy"
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
