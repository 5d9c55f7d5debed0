"""How fast a training runs here, measured by running a little of it."""

import tempfile
import time
from pathlib import Path

from compressor.distill.recipe import PROBE_STEPS, plan
from compressor.train import Job, train

# Reports are collected a few times a second: of two that were collected together, nothing can be read.
LEAST_SECONDS = 0.5


def examples_per_second(job: Job, *, ranks: int, seed: int, bfloat16: bool = False) -> float:
    """Rows per second of a training, once its processes are up."""
    seen: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        probe = plan(PROBE_STEPS, ranks=ranks, seed=seed, bfloat16=bfloat16)
        begin = time.monotonic()
        train(job, probe, Path(folder) / "probe", progress=lambda step, loss: seen.append((time.monotonic(), step)))
    (first, start), (last, end) = seen[0], seen[-1]
    if end > start and last - first > LEAST_SECONDS:
        return (end - start) * probe.batch / (last - first)
    return PROBE_STEPS * probe.batch / (last - begin)  # faster than one report a second
