"""The one timing loop, on a clock that only moves when a subject runs."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat

import numpy as np
import pytest

from compressor.errors import UnavailableError
from compressor.runtimes import engine_subject, time_alone, time_interleaved
from compressor.runtimes.fake import VirtualClock
from compressor.runtimes.timing import SETTLE_NS, WARM_UP_RUNS, Timings, warm_up


class Bench:
    """Subjects of known duration, and a log of who ran when."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.log: list[str] = []

    def subject(self, name: str, durations_ns: Iterable[int]) -> Callable[[], None]:
        """A subject whose runs take these times, one after the other."""
        times: Iterator[int] = iter(durations_ns)

        def run() -> None:
            self.log.append(name)
            self.clock.advance(next(times))

        return run


def timed(bench: Bench, subjects: dict[str, Callable[[], None]], **options: float) -> Timings:
    """The loop with a quiet yardstick, without warm-up runs in the log."""
    yardstick = bench.subject("|", repeat(50))
    return time_interleaved(
        subjects, clock=bench.clock, yardstick=yardstick, **{"seconds": 0.0, "burst": 3, "min_rounds": 2, **options}
    )


def steady(bench: Bench, **durations_ns: int) -> dict[str, Callable[[], None]]:
    return {name: bench.subject(name, repeat(time)) for name, time in durations_ns.items()}


def test_subjects_take_turns_in_bursts_behind_the_yardstick() -> None:
    bench = Bench()
    timings = timed(bench, steady(bench, a=100, b=200))
    # Twenty runs are what it takes to see a steady subject steady; then one re-warm run and a burst of three each.
    # The first of two yardsticks is not recorded.
    assert "".join(bench.log) == "a" * 20 + "b" * 20 + "|" * 20 + "||aaaabbbb" * 2
    assert timings.samples["a"].tolist() == [[100] * 3] * 2
    assert timings.samples["b"].tolist() == [[200] * 3] * 2
    assert timings.yardstick.tolist() == [50, 50]
    assert timings.samples["a"].dtype == np.int64


def test_with_several_threads_a_turn_begins_when_those_of_the_subject_before_have_settled() -> None:
    bench = Bench()
    timings = timed(bench, steady(bench, a=SETTLE_NS // 4, b=2 * SETTLE_NS), threads=2, burst=1, min_rounds=1)
    # Four runs of the short subject take as long as settling does, one of the long subject more.
    assert "".join(bench.log).endswith("||" + "aaaa" + "a" + "b" + "b")
    assert timings.samples["a"].tolist() == [[SETTLE_NS // 4]]


def test_a_single_subject_is_not_rewarmed() -> None:
    bench = Bench()
    timed(bench, steady(bench, a=100), burst=2)
    assert "".join(bench.log) == "a" * 20 + "|" * 20 + "||aa" * 2


def test_the_caches_are_emptied_before_every_recorded_run_and_no_other() -> None:
    bench = Bench()
    timings = time_interleaved(
        steady(bench, a=100, b=200),
        clock=bench.clock,
        seconds=0.0,
        yardstick=bench.subject("|", repeat(50)),
        evict=bench.subject("e", repeat(7000)),
        burst=2,
        min_rounds=2,
    )
    assert "".join(bench.log[60:]) == "||eaeaebeb" * 2
    assert timings.samples["a"].tolist() == [[100] * 2] * 2
    assert timings.samples["b"].tolist() == [[200] * 2] * 2


def test_rounds_end_where_enough_were_run() -> None:
    bench = Bench()
    timings = timed(bench, steady(bench, a=100), seconds=1.0, max_rounds=5)
    assert timings.yardstick.shape == (5,)


def test_the_rewarm_run_is_not_recorded() -> None:
    bench = Bench()
    cold = chain(repeat(100, 20), *repeat([900, 100, 100, 100], 2))
    timings = timed(bench, {"a": bench.subject("a", cold), **steady(bench, b=1)})
    assert timings.samples["a"].tolist() == [[100] * 3] * 2


def test_rounds_go_on_until_the_time_is_spent() -> None:
    bench = Bench()
    round_ns = 50 + 4 * 100 + 4 * 200
    timings = timed(bench, steady(bench, a=100, b=200), seconds=6.5 * round_ns / 1e9)
    assert timings.yardstick.shape == (7,)
    assert timings.samples["b"].shape == (7, 3)


def test_medians() -> None:
    samples = {"a": np.array([[1000, 3000, 2000], [4000, 4000, 9000]])}
    timings = Timings(samples, np.array([50, 50]))
    assert timings.per_round("a").tolist() == [2.0, 4.0]
    assert timings.median_ms("a") == pytest.approx(0.0035)


@pytest.mark.parametrize(
    ("durations_ns", "runs"),
    [
        (repeat(100), 20),
        (chain([5000] * 12, repeat(100)), 28),  # now at most four of the ten before are slow
        (chain.from_iterable([10_000 - 100 * i] for i in range(99)), WARM_UP_RUNS),  # keeps getting faster
        (repeat(300_000_000), 4),  # slow: the time is up
    ],
)
def test_warm_up_ends_when_steady_or_enough_was_tried(durations_ns: Iterable[int], runs: int) -> None:
    bench = Bench()
    assert warm_up(bench.subject("a", durations_ns), bench.clock) == runs
    assert len(bench.log) == runs


def test_warm_up_is_not_in_the_samples() -> None:
    bench = Bench()
    slow_start = chain([50_000] * 10, repeat(100))
    timings = timed(bench, {"a": bench.subject("a", slow_start)})
    assert timings.samples["a"].max() == 100


def test_the_yardstick_of_every_round_is_kept() -> None:
    bench = Bench()
    marks = chain(repeat(50, 20), chain.from_iterable([90, mark] for mark in (50, 50, 63, 62, 500, 50, 51, 49)))
    timings = time_interleaved(
        steady(bench, a=10),
        clock=bench.clock,
        seconds=0.0,
        yardstick=bench.subject("|", marks),
        min_rounds=8,
    )
    assert timings.yardstick.tolist() == [50, 50, 63, 62, 500, 50, 51, 49]


def test_no_sample_is_dropped_when_alone() -> None:
    bench = Bench()
    spikes = [100] * 15 + [70_000]
    durations = chain(repeat(100, 20), chain.from_iterable(repeat(spikes)))
    times, yardstick = time_alone(
        bench.subject("a", durations), clock=bench.clock, seconds=0.0, yardstick=bench.subject("|", repeat(50))
    )
    assert times.tolist() == spikes * 4
    assert yardstick.tolist() == [50] * 4
    assert "".join(bench.log[40:]) == ("||" + "a" * 16) * 4


def test_a_clock_that_goes_backwards_is_an_error() -> None:
    bench = Bench()
    with pytest.raises(UnavailableError, match="the clock went backwards by 7 ns during a measurement: run it again"):
        timed(bench, {"a": bench.subject("a", chain(repeat(100, 22), repeat(-7)))})


def test_a_clock_that_goes_backwards_between_runs_is_an_error_too() -> None:
    """Otherwise a loop that waits for its time to pass could go on for ever."""
    bench = Bench()

    def subject() -> None:
        bench.clock.advance(100)

    def yardstick() -> None:
        bench.clock.advance(50)

    readings = iter([*range(0, 100_000, 100)][:200])

    def clock() -> int:
        return next(readings, -5_000)

    with pytest.raises(UnavailableError, match="the clock went backwards by"):
        time_interleaved({"a": subject}, clock=clock, seconds=1e9, yardstick=yardstick)


def test_an_engine_that_fails_in_the_middle_is_a_device_that_is_gone() -> None:
    class Engine:
        inputs = ("x",)
        runs = 0

        def run(self, feeds: object) -> None:
            self.runs += 1
            bench.clock.advance(100)
            if self.runs == 40:
                raise RuntimeError("device lost")

    bench = Bench()
    subject = engine_subject(Engine(), [{"x": 0}])  # type: ignore[arg-type]
    message = "the engine failed in the middle of a measurement: device lost; see that the device is still there"
    with pytest.raises(UnavailableError, match=message):
        time_alone(subject, clock=bench.clock, seconds=1.0, yardstick=bench.subject("|", repeat(50)))


def test_an_engine_gets_one_input_after_the_other_and_only_its_own() -> None:
    class Engine:
        inputs = ("x",)
        seen: list[dict[str, int]] = []  # noqa: RUF012

        def run(self, feeds: dict[str, int]) -> None:
            self.seen.append(feeds)

    subject = engine_subject(Engine(), [{"x": i, "unused": 0} for i in range(3)])  # type: ignore[arg-type]
    for _ in range(5):
        subject()
    assert Engine.seen == [{"x": i} for i in (0, 1, 2, 0, 1)]
