"""How fast a training runs here, measured by running a little of it."""

import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from compressor.distill.recipe import PROBE_STEPS
from compressor.records.training import TrainPlan
from compressor.train import Job, train

# Reports are collected a few times a second: of two that were collected together, nothing can be read.
LEAST_SECONDS = 0.5


def examples_per_second(job: Job, plan: TrainPlan) -> float:
    """Rows per second of a training, once its processes are up: in the fastest stretch between two reports.

    A neighbour of a few seconds must not cut a training of minutes to a third.

    Args:
        job: What is trained.
        plan: How; only a few of its steps are taken.
    """
    seen: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        probe = replace(plan, steps=PROBE_STEPS)
        begin = time.monotonic()
        train(job, probe, Path(folder) / "probe", progress=lambda step, loss: seen.append((time.monotonic(), step)))
    stretches = [
        (end - start) / (last - first)
        for (first, start), (last, end) in itertools.pairwise(seen)
        if last - first > LEAST_SECONDS
    ]
    # Without one it is faster than one report a second.
    last, steps = seen[-1]
    return probe.batch * max(stretches, default=steps / (last - begin))
