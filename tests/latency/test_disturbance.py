"""A machine that is disturbed while the table is measured: slices are repeated, and what stays is in the error."""

from collections.abc import Callable

import numpy as np
import pytest
from tiny_models import tiny

from compressor.latency import candidate_ops, feed_forward_op, measure_op, measure_table
from compressor.latency.disturbance import REPEATS, Disturbance
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes.fake import YARDSTICK_NS, FakeDevice
from compressor.runtimes.timing import Timings

TEACHER = tiny((3, 48), (3, 48))
OPTIONS, WORKLOAD = CompileOptions(1), Workload(batch=2, sequence_length=7, threads=1)
SLOW = 3.0


class DisturbedDevice(FakeDevice):
    """Everything takes longer by a factor that a neighbour decides, anew before every round."""

    def __init__(self, factor: Callable[[], float]) -> None:
        super().__init__()
        self._next, self._factor = factor, 1.0

    def pass_time(self, nanoseconds: float) -> None:
        super().pass_time(nanoseconds * self._factor)

    def yardstick(self) -> object:
        self._factor = self._next()
        self.clock.advance(YARDSTICK_NS * self._factor)
        return None


def rounds(*yardstick: int) -> Timings:
    return Timings({}, np.array(yardstick, dtype=np.int64))


def test_a_round_is_quiet_where_the_yardstick_is_near_its_best() -> None:
    quiet = Disturbance().quiet_rounds(rounds(50, 50, 63, 62, 500, 50, 51, 49))
    assert quiet.tolist() == [True, True, False, False, False, True, True, True]  # at most 1.25 x 49


def test_a_slice_that_was_disturbed_all_along_is_recognised_by_the_others() -> None:
    disturbance = Disturbance()
    assert disturbance.quiet_rounds(rounds(*[150] * 8)).all()  # nothing else is known yet
    assert disturbance.quiet_rounds(rounds(*[50] * 8)).all()
    assert not disturbance.quiet_rounds(rounds(*[150] * 8)).any()


def test_slices_are_repeated_while_most_rounds_are_disturbed_but_not_for_ever() -> None:
    disturbance = Disturbance()
    assert not disturbance.repeat(np.array([True, True, False]))
    assert [disturbance.repeat(np.array([True, False, False])) for _ in range(REPEATS + 3)] == [True] * REPEATS + [
        False
    ] * 3


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_disturbed_rounds_do_not_move_the_table(share: float) -> None:
    random = np.random.default_rng(0)
    ops = candidate_ops(TEACHER, Precision.INT8)
    noisy = DisturbedDevice(lambda: SLOW if random.random() < share else 1.0)
    found = measure_table(noisy, "fake", TEACHER, ops, OPTIONS, WORKLOAD)
    truth = measure_table(FakeDevice(), "fake", TEACHER, ops, OPTIONS, WORKLOAD)
    for ours, theirs in zip(found.entries, truth.entries, strict=True):
        assert ours.cost.value_us == pytest.approx(theirs.cost.value_us, rel=0.02)
    assert found.disturbed_share == 0


def test_a_machine_that_never_becomes_quiet_again_gives_wide_errors_that_cover_the_truth() -> None:
    op = feed_forward_op(TEACHER, 48, Precision.INT8, first_token=False)
    truth = measure_op(FakeDevice(), TEACHER, op, OPTIONS, WORKLOAD)
    factor = 1.0
    device, disturbance = DisturbedDevice(lambda: factor), Disturbance()
    assert measure_op(device, TEACHER, op, OPTIONS, WORKLOAD, disturbance) == truth
    factor = SLOW
    found = measure_op(device, TEACHER, op, OPTIONS, WORKLOAD, disturbance)
    assert found.value_us == pytest.approx(SLOW * truth.value_us, rel=0.01)
    assert found.value_us - found.standard_error_us <= truth.value_us
    assert disturbance.share == 0.5
