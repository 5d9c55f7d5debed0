"""Two bundles timed in turn in fresh processes, until the verdict is clear or the time is up."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from compressor.export import EVALUATION, EvaluationData
from compressor.gate.deciding import (
    ALPHA,
    BASE,
    FEWEST,
    HEAD,
    MOST,
    Times,
    enough_seconds,
    log_ratio,
    look,
    ratios,
)
from compressor.records.gate import GateResult, GateTimings, Ratio
from compressor.records.latency import CompileOptions
from compressor.records.observer import Observer
from compressor.records.results import Manifest
from compressor.runtimes.base import Feeds
from compressor.runtimes.distributions import student_quantile
from compressor.runtimes.fresh import fresh_processes
from compressor.tasks.feeds import workload_feeds

WORKER = "compressor.gate.worker"
PROCESS_SECONDS = 0.6
# A stored result is of another hour. On a shared machine the median of one engine was seen to differ by so much
# between hours, which no interval of runs in one of them knows of.
DRIFT = 0.10

Measure = Callable[[int], Times]


@dataclass(frozen=True)
class Timed:
    """An engine that is timed: its file, how it is loaded, and what it is fed."""

    path: Path
    options: CompileOptions
    feeds: Sequence[Feeds]


@dataclass(frozen=True)
class Side:
    """One of the bundles: its folder and its manifest, checked."""

    folder: Path
    manifest: Manifest

    @cached_property
    def evaluation(self) -> EvaluationData:
        """Its evaluation data."""
        return EvaluationData.load(self.folder / EVALUATION)

    @cached_property
    def timed(self) -> Timed:
        """Its engine on inputs at its workload, of its own tokens."""
        feeds = workload_feeds(self.evaluation.tokens, self.manifest.workload)
        return Timed((self.folder / self.manifest.engine).resolve(), self.manifest.options, feeds)


def fresh_pair(base: Timed, head: Timed) -> Measure:
    """Times both in a fresh process; the argument is the seed of what is drawn."""
    engines = [{"path": str(engine.path), "options": asdict(engine.options)} for engine in (base, head)]
    spec = {"engines": engines, "base_feeds": len(base.feeds), "seconds": PROCESS_SECONDS}
    feeds = [*base.feeds, *head.feeds]

    def measure(seed: int) -> Times:
        (samples,) = fresh_processes(WORKER, {**spec, "seed": seed}, feeds, processes=1)
        return samples.times.reshape(len(samples.yardstick), 3, -1)

    return measure


def time_pair(
    measure: Measure,
    *,
    max_regression: float,
    seconds: float,
    observer: Observer,
    clock: Callable[[], float] = time.monotonic,
) -> GateTimings:
    """Measure in one process after the other until a look decides, or no further process fits into the time.

    Args:
        measure: Times base, head and base in a fresh process.
        max_regression: Share by which the head may be slower.
        seconds: At most, but for the first process.
        observer: Hears the share of the time that is over, the ratio so far, and, as soon as one process is through,
            that the time cannot be enough.
        clock: Seconds.
    """
    processes: list[Times] = []
    begin = clock()
    while True:
        processes.append(measure(len(processes)))
        spent, count = clock() - begin, len(processes)
        if count == 1 and FEWEST * spent > seconds:
            observer.note(
                f"a process takes {spent:.1f} s, and fewer than {FEWEST} say nothing: it takes --time "
                f"{enough_seconds(spent, count)}s"
            )
        logs = np.array([log_ratio(times) for times in processes])
        share, ratio = min(1.0, spent / seconds), math.exp(np.median(logs[:, 0]))
        observer.progress(share, f"head takes {ratio:.3f} times as long")
        last = count == MOST or spent * (count + 1) / count > seconds
        if look(logs, max_regression, last=last) is not None:
            return _timings(processes, *ratios(logs), spent)


def _timings(processes: Sequence[Times], ratio: Ratio, noise: Ratio, seconds: float) -> GateTimings:
    head_ms = tuple(float(np.median(times[:, HEAD])) / 1e6 for times in processes)
    base_ms = [float(np.median(times[:, BASE])) / 1e6 for times in processes]
    return GateTimings(ratio, noise, float(np.median(base_ms)), float(np.median(head_ms)), head_ms, seconds)


def time_against_stored(
    measure: Measure,
    stored: GateResult,
    *,
    seconds: float,
    observer: Observer,
    clock: Callable[[], float] = time.monotonic,
) -> GateTimings:
    """Measure the head, and compare it with what an earlier gate measured of its own head.

    The interval is that of Welch's t of the processes' medians with the fewer degrees of freedom, and `DRIFT` wider on
    each side.

    Args:
        measure: Times the head, a copy of it, and the head again.
        stored: An earlier result, of this device.
        seconds: At most.
        observer: See `time_pair`.
        clock: Seconds.
    """
    found = time_pair(measure, max_regression=0.0, seconds=seconds, observer=observer, clock=clock)
    before = stored.timings
    if before is None:
        raise ValueError("the stored result has no times")
    now, then = np.log(found.process_ms), np.log(before.process_ms)
    fewer, low, high = min(len(now), len(then)), None, None
    difference = float(np.mean(now) - np.mean(then))
    if fewer >= FEWEST:
        error = math.sqrt(np.var(now, ddof=1) / len(now) + np.var(then, ddof=1) / len(then))
        half = student_quantile(1 - ALPHA, fewer - 1) * error + math.log1p(DRIFT)
        low, high = math.exp(difference - half), math.exp(difference + half)
    ratio = Ratio(math.exp(difference), low, high, fewer)
    return GateTimings(
        ratio, found.noise, before.head_ms, found.head_ms, found.process_ms, found.seconds, stored_base=True
    )
