"""When a gate says fail, pass or that it cannot say, on made-up processes whose truth is known."""

import math

import numpy as np
import pytest

from compressor.gate.checks import timed_check
from compressor.gate.deciding import (
    ALPHA,
    FEWEST,
    LOOKS,
    SHARE,
    decide,
    enough_seconds,
    log_ratio,
    noise_floor,
    ratios,
)
from compressor.gate.measuring import time_pair
from compressor.records.gate import GateLimits, GateTimings, GateVerdict, Ratio
from compressor.records.observer import Silent

ROUNDS, BURST = 24, 3
QUIET = Ratio(1.0, 0.999, 1.001, 20)


def process(
    random: np.random.Generator, ratio: float, *, spread: float = 0.01, burst_share: float = 0.0
) -> np.ndarray:  # type: ignore[type-arg]
    """Times of base, head and base in one process, in which each engine is off by a chance of its own."""
    offsets = np.exp(random.normal(0.0, spread, size=3)) * [1.0, ratio, 1.0]
    noise = np.exp(random.normal(0.0, 0.02, size=(ROUNDS, 3, BURST)))
    slow = np.where(random.random((ROUNDS, 1, 1)) < burst_share, 2.0, 1.0)
    return np.asarray(1e6 * offsets[:, None] * noise * slow, dtype=np.int64)


def gated(random: np.random.Generator, ratio: float, *, max_regression: float = 0.01, **noise: float) -> GateTimings:
    """A gate of 60 s whose processes take a second each."""
    clock = iter(range(10_000))
    return time_pair(
        lambda seed: process(random, ratio, **noise),
        max_regression=max_regression,
        seconds=60.0,
        observer=Silent(),
        clock=lambda: float(next(clock)),
    )


def verdicts(trials: int, ratio: float, **noise: float) -> dict[GateVerdict, float]:
    """Share of each verdict at 1 % allowed."""
    random = np.random.default_rng(int(1e4 * ratio))
    found = [gated(random, ratio, **noise) for _ in range(trials)]
    ends = [decide(timings.ratio, timings.noise, 0.01) for timings in found]
    return {verdict: ends.count(verdict) / trials for verdict in GateVerdict}


def test_a_process_is_one_number_whatever_its_rounds_have_in_common() -> None:
    times = np.full((ROUNDS, 3, BURST), 1_000_000)
    times[:, 1] = 1_030_000
    times[:, 2] = 1_010_000
    drifting = times * np.linspace(1.0, 3.0, ROUNDS)[:, None, None]
    expected = math.log(1.03) - math.log(1.01) / 2, math.log(1.01)
    assert log_ratio(times) == pytest.approx(expected)
    assert log_ratio(drifting.astype(np.int64)) == pytest.approx(expected, abs=1e-5)


def test_equal_engines_hardly_ever_fail_and_mostly_pass() -> None:
    found = verdicts(300, 1.0)
    assert found[GateVerdict.FAIL] == 0.0
    assert found[GateVerdict.PASS] > 0.95


def test_a_planted_regression_is_found() -> None:
    assert verdicts(100, 1.03)[GateVerdict.FAIL] > 0.9
    assert verdicts(100, 1.05, burst_share=0.3)[GateVerdict.FAIL] == 1.0


@pytest.mark.heavy
def test_just_what_is_allowed_seldom_fails_and_seldom_passes() -> None:
    found = verdicts(300, 1.01)
    assert found[GateVerdict.FAIL] <= ALPHA + 3 * math.sqrt(ALPHA / 300)
    assert found[GateVerdict.PASS] <= ALPHA + 3 * math.sqrt(ALPHA / 300)


def test_what_is_clear_ends_at_the_first_look() -> None:
    random = np.random.default_rng(0)
    assert gated(random, 1.5).ratio.processes == FEWEST
    assert gated(random, 0.7).ratio.processes == FEWEST
    assert gated(random, 1.01).ratio.processes == LOOKS[-1]


class Notes(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """See `Observer`."""
        self.notes.append(text)


def slow_gate(seconds: float, watcher: Notes) -> GateTimings:
    """A gate whose processes take five seconds each."""
    clock, random = iter(np.arange(0.0, 1e4, 5.0)), np.random.default_rng(0)
    return time_pair(
        lambda seed: process(random, 2.0),
        max_regression=0.05,
        seconds=seconds,
        observer=watcher,
        clock=lambda: float(next(clock)),
    )


def test_too_little_time_is_unmeasured_and_says_how_much_would_do() -> None:
    watcher = Notes()
    timings = slow_gate(20.0, watcher)
    assert timings.ratio.processes == 4
    assert (timings.ratio.low, timings.ratio.high) == (None, None)
    assert timings.ratio.value == pytest.approx(2.0, rel=0.05)
    assert decide(timings.ratio, timings.noise, 0.05) is GateVerdict.UNMEASURED
    assert watcher.notes == ["a process takes 5.0 s, and fewer than 10 say nothing: it takes --time 60s"]
    check = timed_check(timings, GateLimits())
    assert check.verdict is GateVerdict.UNMEASURED
    assert check.note == "4 processes are too few to say, of the 10 that it takes: give --time 60s"


def test_the_time_that_is_said_to_be_enough_is() -> None:
    watcher = Notes()
    timings = slow_gate(enough_seconds(5.0, 1), watcher)
    assert watcher.notes == []
    assert decide(timings.ratio, timings.noise, 0.05) is GateVerdict.FAIL


def test_a_machine_that_slows_one_of_two_equal_engines_cannot_fail_any() -> None:
    slower, uneven = Ratio(1.06, 1.03, 1.09, 20), Ratio(1.04, 1.02, 1.06, 20)
    assert decide(slower, QUIET, 0.01) is GateVerdict.FAIL
    assert noise_floor(uneven) == pytest.approx(math.log(1.06))
    assert decide(slower, uneven, 0.01) is GateVerdict.INCONCLUSIVE
    assert decide(Ratio(1.2, 1.1, 1.3, 20), uneven, 0.01) is GateVerdict.FAIL


def test_every_look_has_its_share_of_the_error() -> None:
    assert pytest.approx(ALPHA) == SHARE * len(LOOKS)
    random = np.random.default_rng(1)
    logs = np.array([log_ratio(process(random, 1.0)) for _ in range(FEWEST)])
    assert ratios(logs[:-1])[0].low is None
    assert ratios(logs)[0].low is not None
