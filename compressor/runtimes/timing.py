"""The one timing loop, for tables, confirmation and verification alike.

Several subjects are timed in turn, round after round, so that whatever disturbs the machine disturbs all of them; a
yardstick between the rounds tells disturbed stretches from quiet ones. Each turn is a short burst whose first run is
not recorded when there are several subjects: it brings the subject's own weights back into the caches, as they are
when an engine runs alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import CompressorError, UnavailableError
from compressor.runtimes.base import Clock, Engine, Feeds
from compressor.runtimes.samples import STRETCH_RUNS, Samples

WARM_UP_RUNS, WARM_UP_LEAST = 60, 3
WARM_UP_SECONDS = 1.0
STABLE_WITHIN = 0.03
# From here on a subject has the cores for itself: the threads of the one before have stopped waiting for work.
SETTLE_NS = 1_000_000

Subject = Callable[[], object]


@dataclass(frozen=True)
class Timings:
    """Raw times in nanoseconds.

    Attributes:
        samples: Subject -> int64 [rounds, burst].
        yardstick: int64 [rounds]; the yardstick before each round.
    """

    samples: dict[str, NDArray[np.int64]]
    yardstick: NDArray[np.int64]

    def per_round(self, name: str) -> NDArray[np.float64]:
        """Median of each burst of a subject, in microseconds, [rounds]."""
        return np.asarray(np.median(self.samples[name], axis=1) / 1e3, dtype=np.float64)

    def median_ms(self, name: str) -> float:
        """Median over all runs of a subject."""
        return float(np.median(self.samples[name])) / 1e6


def engine_subject(engine: Engine, feeds: Sequence[Feeds]) -> Subject:
    """Run an engine on one input after the other, round and round.

    The subject raises `UnavailableError` where the engine fails, whatever its runtime raises.
    """
    inputs = cycle([{name: feed[name] for name in engine.inputs} for feed in feeds])

    def run() -> NDArray[Any]:
        try:
            return engine.run(next(inputs))
        except CompressorError:
            raise
        except Exception as error:  # every runtime has its own
            raise UnavailableError(
                f"the engine failed in the middle of a measurement: {error}; see that the device is still there, and "
                "give the same command again, which continues where it was"
            ) from error

    return run


def warm_up(subject: Subject, clock: Clock, *, seconds: float = WARM_UP_SECONDS) -> int:
    """Run until the last ten runs are as fast as the ten before (or enough was tried); returns the number of runs."""
    times: list[int] = []
    begin = clock()
    while len(times) < WARM_UP_RUNS and (len(times) < WARM_UP_LEAST or elapsed_ns(clock, begin) < seconds * 1e9):
        times.append(_timed(subject, clock))
        if len(times) >= 20:
            before, now = np.median(times[-20:-10]), np.median(times[-10:])
            if abs(before - now) <= STABLE_WITHIN * now:
                break
    return len(times)


def time_interleaved(
    subjects: Mapping[str, Subject],
    *,
    clock: Clock,
    seconds: float,
    yardstick: Subject,
    burst: int = 3,
    min_rounds: int = 10,
    max_rounds: int | None = None,
    evict: Subject | None = None,
    warm_up_seconds: float = WARM_UP_SECONDS,
    threads: int = 1,
) -> Timings:
    """Time subjects in turn for about `seconds` in all.

    Args:
        subjects: Name -> a call that is to be timed.
        clock: Nanoseconds, monotonic.
        seconds: Time to spend, warm-up not counted.
        yardstick: Run and timed once before each round.
        burst: Recorded runs per turn.
        min_rounds: Rounds that are run however long they take.
        max_rounds: Rounds after which the time is not used up; None = all of it is.
        evict: Empties the caches before every recorded run; None = the caches are warm.
        warm_up_seconds: At most, for each subject.
        threads: Of each subject. With several, each turn begins with runs for a millisecond.

    Raises:
        UnavailableError: The clock went backwards.
    """
    for subject in subjects.values():
        warm_up(subject, clock, seconds=warm_up_seconds)
    warm_up(yardstick, clock)
    samples: dict[str, list[list[int]]] = {name: [] for name in subjects}
    marks: list[int] = []
    rewarm = len(subjects) > 1 and evict is None
    begin = clock()
    while len(marks) < min_rounds or (len(marks) != max_rounds and elapsed_ns(clock, begin) < seconds * 1e9):
        marks.append(_timed(yardstick, clock, yardstick))  # the first one brings its code back into the caches
        for name, subject in subjects.items():
            if rewarm:
                _resume(subject, clock, SETTLE_NS if threads > 1 else 0)
            samples[name].append([_timed(subject, clock, evict) for _ in range(burst)])
    return Timings({name: np.array(rows, dtype=np.int64) for name, rows in samples.items()}, np.array(marks))


def time_alone(subject: Subject, *, clock: Clock, seconds: float, yardstick: Subject) -> Samples:
    """Consecutive runs of one subject after warm-up: raw times, no sample dropped, no correction.

    Raises:
        UnavailableError: The clock went backwards.
    """
    timings = time_interleaved(
        {"subject": subject}, clock=clock, seconds=seconds, yardstick=yardstick, burst=STRETCH_RUNS, min_rounds=4
    )
    return Samples(timings.samples["subject"].ravel(), timings.yardstick)


def elapsed_ns(clock: Clock, begin: int) -> int:
    """Nanoseconds since `begin`, a time of the same clock.

    Raises:
        UnavailableError: The clock went backwards.
    """
    spent = clock() - begin
    if spent < 0:
        raise UnavailableError(f"the clock went backwards by {-spent} ns during a measurement: run it again")
    return spent


def _resume(subject: Subject, clock: Clock, nanoseconds: int) -> None:
    """Run once, and on until this time is over."""
    begin = clock()
    subject()
    while elapsed_ns(clock, begin) < nanoseconds:
        subject()


def _timed(subject: Subject, clock: Clock, before: Subject | None = None) -> int:
    if before is not None:
        before()
    begin = clock()
    subject()
    return elapsed_ns(clock, begin)
