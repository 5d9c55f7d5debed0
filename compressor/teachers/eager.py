"""The baseline that users start from: the teacher in eager PyTorch, timed in a fresh process like every engine.

`python -m compressor.teachers.eager SPEC FEEDS SAMPLES`; the only place that needs `transformers`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.base import Feeds
from compressor.runtimes.local import LocalDevice, fresh_processes, read_feeds
from compressor.runtimes.timing import time_alone


def eager_samples(folder: Path, feeds: Sequence[Feeds], *, threads: int, seconds: float) -> NDArray[np.int64]:
    """Raw times in nanoseconds of `transformers`' own model on `threads` threads."""
    spec = {"teacher": str(folder.resolve()), "threads": threads, "seconds": seconds}
    return fresh_processes("compressor.teachers.eager", spec, feeds, processes=1)[0]


def main(spec_path: str, feeds_path: str, samples_path: str) -> None:
    """Time the model that the spec names and write the raw times."""
    import torch
    from transformers import AutoModelForSequenceClassification

    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    torch.set_num_threads(spec["threads"])
    model = AutoModelForSequenceClassification.from_pretrained(
        spec["teacher"], local_files_only=True, dtype=torch.float32
    ).eval()
    feeds = read_feeds(Path(feeds_path))
    position = 0

    def run() -> object:
        nonlocal position
        position += 1
        feed = {name: torch.from_numpy(value) for name, value in feeds[position % len(feeds)].items()}
        return model(**feed).logits.numpy()

    device = LocalDevice()
    with torch.inference_mode():
        times, _ = time_alone(run, clock=device.clock, seconds=spec["seconds"], yardstick=device.yardstick)
    np.save(samples_path, times)


if __name__ == "__main__":
    main(*sys.argv[1:])
