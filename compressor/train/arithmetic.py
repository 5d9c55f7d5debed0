"""Which arithmetic a training is faster in here: a few steps of one rank, in float32 and with bfloat16 products.

Processors with bfloat16 units gain 15 to 25 % on students of width 384 and 768 (benchmarks/log.md), others lose a lot:
nothing but a measurement tells which one this is, and whether the products of this model are large enough.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from statistics import median

import torch

from compressor.records.training import TrainPlan
from compressor.train.job import Job
from compressor.train.loop import Trainer
from compressor.train.team import Alone

STEPS = 9  # the first warms up
# Of one rank alone. Four that share memory and clock gained about half of it, and nothing where it was below.
LEAST_GAIN = 0.2

Clock = Callable[[], float]


def faster_in_bfloat16(job: Job, plan: TrainPlan, *, clock: Clock = time.perf_counter) -> bool:
    """Whether the steps of a training take less time with products in bfloat16; some seconds.

    The answer depends on the clock: write it down, and give it to the plan as `bfloat16`.

    Args:
        job: What is trained.
        plan: How; only the share of one rank is computed.
        clock: Seconds.
    """
    probe = replace(plan, steps=STEPS)
    share = Alone(most_parts=plan.parts_per_step // plan.ranks, device=torch.device(plan.device))
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.threads)
    try:
        plain_seconds = _step_seconds(Trainer(job, replace(probe, bfloat16=False), share), clock)
        warm_up = Trainer(job, replace(probe, bfloat16=True), share)  # kernels are made for every new shape
        if not warm_up.rounded_products or _step_seconds(warm_up, clock, at_most=plain_seconds) > 2 * plain_seconds:
            return False
        rounded_seconds = _step_seconds(Trainer(job, replace(probe, bfloat16=True), share), clock)
        return rounded_seconds < (1 - LEAST_GAIN) * plain_seconds
    finally:
        torch.set_num_threads(threads)


def _step_seconds(trainer: Trainer, clock: Clock, *, at_most: float = float("inf")) -> float:
    """Median time of a step; steps that take twice `at_most`, and may be very slow, are not repeated."""
    times = [clock()]
    for step in range(1, STEPS + 1):
        trainer.run(until=step)
        times.append(clock())
        if step > 1 and times[-1] - times[-2] > 2 * at_most:
            break
    return median(end - begin for begin, end in pairwise(times[1:]))
