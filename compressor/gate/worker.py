"""The fresh process of a gate: `python -m compressor.gate.worker SPEC FEEDS SAMPLES`.

Loads base, head and the base again, and times the three in turn. The orders of loading and of turns are drawn anew:
where an engine's weights lie in memory, and whose caches it finds, is chance, and must not always be the same one's.
"""

import json
from itertools import permutations
from pathlib import Path

import numpy as np

from compressor.gate.deciding import AGAIN, BASE, HEAD
from compressor.records.latency import CompileOptions
from compressor.records.serial import from_dict
from compressor.runtimes.base import Clock, Device
from compressor.runtimes.fresh import read_feeds, run_worker
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.samples import Samples
from compressor.runtimes.timing import Subject, elapsed_ns, engine_subject, time_interleaved
from compressor.runtimes.worker import check_still_usable

BURST, LEAST_ROUNDS = 3, 2
WARM_UP_SECONDS = 0.02
# Slower runs are timed one at a time and in one order per process. All six orders and bursts take at least 198 runs:
# with 27 ms each the ten processes without which nothing can be said would take a minute.
SLOW_NS = 5_000_000
SLOW_BURST, SLOW_ROUNDS = 1, 3


def main(spec_path: str, feeds_path: str, samples_path: str) -> None:
    """Time what the spec names; times are int64 [rounds x 3 x burst], flat, in the order of `deciding`.

    The yardstick is there once for every round, which tells how long the bursts were.

    Raises:
        UnavailableError: An engine or the clock failed, or CPUs that the threads need were taken away.
    """
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    random, device = np.random.default_rng(spec["seed"]), LocalDevice()
    feeds, first = read_feeds(Path(feeds_path)), spec["base_feeds"]
    base, head = ((spec["engines"][0], feeds[:first]), (spec["engines"][1], feeds[first:]))
    sides = {BASE: base, HEAD: head, AGAIN: base}
    options = {which: from_dict(CompileOptions, sides[which][0]["options"]) for which in sides}
    subjects = {
        which: engine_subject(device.compile(Path(sides[which][0]["path"]), options[which]), sides[which][1])
        for which in map(int, random.permutation(list(sides)))
    }
    threads = max(found.threads for found in options.values())
    samples = in_turn(subjects, device, random, seconds=spec["seconds"], threads=threads)
    check_still_usable(threads)
    samples.save(Path(samples_path))


def in_turn(
    subjects: dict[int, Subject], device: Device, random: np.random.Generator, *, seconds: float, threads: int
) -> Samples:
    """All three in each of their six orders, the orders in random order; slow ones in the first of these alone."""
    orders = random.permutation(np.array(list(permutations(subjects))))
    burst, least_rounds = BURST, LEAST_ROUNDS
    if max(_run_ns(subject, device.clock) for subject in subjects.values()) > SLOW_NS:
        orders, burst, least_rounds = orders[:1], SLOW_BURST, SLOW_ROUNDS
    rounds, marks = [], []
    for order in orders:
        timings = time_interleaved(
            {str(which): subjects[which] for which in order},
            clock=device.clock,
            seconds=seconds / len(orders),
            yardstick=device.yardstick,
            burst=burst,
            min_rounds=least_rounds,
            warm_up_seconds=WARM_UP_SECONDS,
            threads=threads,
        )
        rounds.append(np.stack([timings.samples[str(which)] for which in (BASE, HEAD, AGAIN)], axis=1))
        marks.append(timings.yardstick)
    return Samples(np.concatenate(rounds).ravel(), np.concatenate(marks))


def _run_ns(subject: Subject, clock: Clock) -> int:
    """Of the second run: the first one finds neither weights nor code in the caches."""
    subject()
    begin = clock()
    subject()
    return elapsed_ns(clock, begin)


if __name__ == "__main__":
    run_worker(main)
