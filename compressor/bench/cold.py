"""Cold start and tokenisation, in fresh processes that do what a user's program does (`worker.py`)."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from compressor.errors import UnavailableError
from compressor.records.bench import ColdStart, Tokenisation
from compressor.records.results import Manifest
from compressor.runtimes.fresh import check_end
from compressor.runtimes.timing import elapsed_ns
from compressor.tasks.tokens import Tokens

STARTS = 5
TEXTS = 64
WORKER = "compressor.bench.worker"


def fresh_starts(folder: Path, manifest: Manifest, tokens: Tokens) -> tuple[ColdStart, Tokenisation]:
    """Start processes that load a bundle, answer a text and tokenise many.

    Args:
        folder: Of the bundle.
        manifest: Its manifest.
        tokens: Evaluation rows; a bundle has no texts, so they are decoded from these.

    Raises:
        ResourceError: A process was killed, as the system does when memory runs out.
        UnavailableError: A process failed or died, with its last lines in the message, or the clock went backwards.
    """
    totals, loads, times = [], [], []
    with tempfile.TemporaryDirectory(prefix="compressor-") as name:
        texts, result = Path(name) / "texts.json", Path(name) / "result.json"
        texts.write_text(json.dumps(texts_of(folder, manifest, tokens)), encoding="utf-8")
        for _ in range(STARTS):
            totals.append(seconds_to_answer([str(folder.resolve()), str(texts), str(result)]))
            found = json.loads(result.read_text(encoding="utf-8"))
            loads.append(found["load_s"])
            times += found["tokenise_ns"]
    p50, p95 = np.percentile(times, [50, 95]) / 1e3
    start = ColdStart(float(np.median(totals)), float(np.median(loads)), STARTS)
    return start, Tokenisation(float(p50), float(p95), len(times))


def texts_of(folder: Path, manifest: Manifest, tokens: Tokens) -> list[list[str]]:
    """Texts, or pairs, of about the words that the rows had; where the halves of a pair met does not matter here."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = [tokenizer.decode(tokens.row(row)[0].tolist()) for row in range(min(TEXTS, len(tokens)))]
    if len(manifest.task.text_columns) == 1:
        return [[text] for text in texts]
    return [[" ".join(half) for half in np.array_split(text.split(), 2)] for text in texts]


def seconds_to_answer(arguments: list[str]) -> float:
    """From the start of a worker to its first answer; returns when the worker has ended."""
    begin = time.perf_counter_ns()
    process = subprocess.Popen(
        [sys.executable, "-m", WORKER, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            answered = process.stdout.readline() if process.stdout else ""
            spent = elapsed_ns(time.perf_counter_ns, begin) / 1e9
            _, complaint = process.communicate()
        except BaseException:
            process.kill()
            raise
    check_end(process.returncode, complaint, what="starting the bundle in a fresh process")
    if not answered:
        raise UnavailableError("the fresh process of the bundle ended well without an answer; export the bundle again")
    return spent
