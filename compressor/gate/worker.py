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
from compressor.runtimes.base import Device
from compressor.runtimes.fresh import read_feeds, run_worker
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.samples import Samples
from compressor.runtimes.timing import Subject, engine_subject, time_interleaved
from compressor.runtimes.worker import check_still_usable

BURST, LEAST_ROUNDS = 3, 2
WARM_UP_SECONDS = 0.02


def main(spec_path: str, feeds_path: str, samples_path: str) -> None:
    """Time what the spec names; times are int64 [rounds x 3 x BURST], flat, in the order of `deciding`.

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
    """All three in each of their six orders, the orders in random order."""
    orders = random.permutation(np.array(list(permutations(subjects))))
    rounds, marks = [], []
    for order in orders:
        timings = time_interleaved(
            {str(which): subjects[which] for which in order},
            clock=device.clock,
            seconds=seconds / len(orders),
            yardstick=device.yardstick,
            burst=BURST,
            min_rounds=LEAST_ROUNDS,
            warm_up_seconds=WARM_UP_SECONDS,
            threads=threads,
        )
        rounds.append(np.stack([timings.samples[str(which)] for which in (BASE, HEAD, AGAIN)], axis=1))
        marks.append(timings.yardstick)
    return Samples(np.concatenate(rounds).ravel(), np.concatenate(marks))


if __name__ == "__main__":
    run_worker(main)
