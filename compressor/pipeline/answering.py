"""The teacher's answers on the training text, kept for later runs with the same teacher and text.

    answers/0123456789abcdef.npy = digest of teacher, data, columns and runtime

They are of all rows, before a selection part is carved off: other limits, seeds and shares find them too.
"""

import numpy as np
from numpy.typing import NDArray

from compressor.pipeline.workbench import Workbench
from compressor.records.serial import digest

ANSWERS = "answers"  # folder in the cache


def teacher_answers(bench: Workbench) -> NDArray[np.float32]:
    """Outputs of all training rows, [rows, classes]; of a per-token teacher flat, [tokens, classes]."""
    request, folder = bench.request, bench.cache / ANSWERS
    columns = (request.text_columns, request.label_column)
    path = folder / f"{digest(bench.teacher.digest, bench.data.digest, columns, bench.device.runtime)}.npy"
    tokens = bench.corpus
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
