"""The fresh process of a cold start: `python -m compressor.bench.worker BUNDLE TEXTS RESULT`.

Prints a line as soon as it has answered a text; then tokenises, and writes how long loading and tokenising took.
"""

import json
import time
from itertools import cycle
from pathlib import Path

from compressor import load
from compressor.runtimes.fresh import run_worker
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.timing import elapsed_ns, time_alone
from compressor.tasks.tokenizer import TextTokenizer

TOKENISE_SECONDS = 0.5


def main(bundle: str, texts_path: str, result_path: str) -> None:
    """Load, answer, tokenise."""
    texts = [tuple(row) for row in json.loads(Path(texts_path).read_text(encoding="utf-8"))]
    begin = time.perf_counter_ns()
    predictor = load(bundle)
    load_s = elapsed_ns(time.perf_counter_ns, begin) / 1e9
    predictor([texts[0] if len(texts[0]) == 2 else texts[0][0]])
    print("answered", flush=True)
    tokenizer, longest, rows = TextTokenizer(Path(bundle)), predictor.manifest.max_length, cycle(texts)
    host = LocalDevice()
    times, _ = time_alone(
        lambda: tokenizer.encode([next(rows)], max_length=longest),
        clock=host.clock,
        seconds=TOKENISE_SECONDS,
        yardstick=host.yardstick,
    )
    Path(result_path).write_text(json.dumps({"load_s": load_s, "tokenise_ns": times.tolist()}), encoding="utf-8")


if __name__ == "__main__":
    run_worker(main)
