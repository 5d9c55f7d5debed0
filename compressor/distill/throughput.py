"""How fast a training runs here, measured by running a little of it."""

import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from compressor.distill.recipe import PROBE_STEPS
from compressor.records.training import TrainPlan
from compressor.train import Job, train
from compressor.train.order import DataOrder

# Reports are collected a few times a second: of two that were collected together, nothing can be read.
LEAST_SECONDS = 0.5


def examples_per_second(job: Job, plan: TrainPlan) -> float:
    """Rows of average length per second of a training, once its processes are up.

    By the tokens of the fastest stretch between two reports: a neighbour of a few seconds must not cut a training of
    minutes to a third, and a stretch of short rows must not triple it.

    Args:
        job: What is trained.
        plan: How; only a few of its steps are taken.
    """
    seen: list[tuple[float, int]] = []
    order = job.setup().order
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        probe = replace(plan, steps=PROBE_STEPS)
        begin = time.monotonic()
        train(job, probe, Path(folder) / "probe", progress=lambda step, loss: seen.append((time.monotonic(), step)))
    stretches = [
        _tokens(order, start, end) / (last - first)
        for (first, start), (last, end) in itertools.pairwise(seen)
        if last - first > LEAST_SECONDS
    ]
    # Without one it is faster than one report a second.
    last, steps = seen[-1]
    return max(stretches, default=_tokens(order, 0, steps) / (last - begin)) / float(order.lengths.mean())


def _tokens(order: DataOrder, start: int, end: int) -> int:
    return sum(int(order.lengths[order.rows(step)].sum()) for step in range(start, end))
