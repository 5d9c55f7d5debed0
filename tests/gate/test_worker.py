"""What a process of the gate times: all orders of quick engines, one of slow ones, so that enough processes fit."""

from collections.abc import Callable

import numpy as np
import pytest

from compressor.gate.deciding import AGAIN, BASE, HEAD, Times
from compressor.gate.worker import in_turn
from compressor.runtimes.fake import FakeDevice

YARDSTICK = -1


class Traced(FakeDevice):
    """Keeps who ran, run after run."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[int] = []

    def yardstick(self) -> object:
        """See `Device`."""
        self.runs.append(YARDSTICK)
        return super().yardstick()

    def subject(self, which: int, run_ms: float) -> Callable[[], object]:
        """An engine that takes so long."""

        def run() -> None:
            self.runs.append(which)
            self.pass_time(1e6 * run_ms)

        return run


def timed(run_ms: float, *, seed: int = 0) -> tuple[Times, list[int]]:
    """Times of a process whose head takes twice as long, [rounds, 3, burst]; and who ran."""
    device = Traced()
    subjects = {which: device.subject(which, (2 if which == HEAD else 1) * run_ms) for which in (BASE, HEAD, AGAIN)}
    samples = in_turn(subjects, device, np.random.default_rng(seed), seconds=0.6, threads=1)
    return samples.times.reshape(len(samples.yardstick), 3, -1), device.runs


def rounds(runs: list[int], length: int) -> list[list[int]]:
    """Stretches of so many runs between two yardsticks."""
    marks = [i for i, which in enumerate(runs) if which == YARDSTICK]
    stretches = [runs[i + 1 : j] for i, j in zip(marks, [*marks[1:], len(runs)], strict=True)]
    return [stretch for stretch in stretches if len(stretch) == length]


@pytest.mark.parametrize("run_ms", [0.5, 20.0])
def test_every_engine_has_its_place(run_ms: float) -> None:
    times, _ = timed(run_ms)
    assert (times[:, [BASE, AGAIN]] == 1e6 * run_ms).all()
    assert (times[:, HEAD] == 2e6 * run_ms).all()


def test_quick_engines_run_in_bursts_and_all_orders() -> None:
    times, runs = timed(0.5)
    assert times.shape[2] == 3
    assert len({tuple(dict.fromkeys(found)) for found in rounds(runs, 3 * (1 + 3))}) == 6


def test_slow_engines_run_no_more_often_than_it_takes() -> None:
    times, runs = timed(100.0)
    assert times.shape == (3, 3, 1)
    # How slow they are, warming up, and two runs in each of three rounds.
    assert len(runs) - runs.count(YARDSTICK) == 3 * (2 + 3 + 2 * 3)
    assert len({tuple(dict.fromkeys(found)) for found in rounds(runs, 3 * (1 + 1))}) == 1


def test_the_one_order_of_slow_engines_is_another_in_every_process() -> None:
    first = {rounds(timed(20.0, seed=seed)[1], 3 * (1 + 1))[0][0] for seed in range(20)}
    assert first == {BASE, HEAD, AGAIN}
