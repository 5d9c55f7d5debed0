"""A machine that is disturbed while the table is measured: slices are repeated, and what stays is in the error."""

from collections.abc import Callable

import numpy as np
import pytest
from tiny_models import tiny

from compressor.latency import estimate, feed_forward_op, measure_table, refreshed
from compressor.latency.calibrating import WholeModel
from compressor.latency.disturbance import REPEATS, Disturbance, Slice
from compressor.latency.measuring import Bench, OpProbe
from compressor.latency.visits import Visits
from compressor.records.architecture import OpKey, Precision
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


class Scripted(FakeDevice):
    """Its memory yardstick takes what the test says, one after the other, then what it took last."""

    def __init__(self, *memory_ns: int) -> None:
        super().__init__()
        self._memory_ns = list(memory_ns)

    def memory_yardstick(self) -> object:
        self.clock.advance(self._memory_ns.pop(0) if len(self._memory_ns) > 1 else self._memory_ns[0])
        return None


def rounds(*yardstick: int) -> Timings:
    return Timings({}, np.array(yardstick, dtype=np.int64))


def slices(disturbance: Disturbance, *timings: Timings) -> list[Slice]:
    """As many slices as can be had from these timings, each of which is taken once."""
    left = list(timings)
    found = []
    while left:
        found.append(disturbance.slice(lambda: left.pop(0)))
    return found


def visited(bench: Bench, op: OpKey) -> OpProbe:
    probe = OpProbe(bench, op)
    for _ in range(3):
        probe.visit()
    return probe


def test_a_round_is_quiet_where_the_yardstick_is_near_its_best() -> None:
    (found,) = slices(Disturbance(FakeDevice()), rounds(50, 50, 63, 62, 500, 50, 51, 49))
    assert found.quiet.tolist() == [True, True, False, False, False, True, True, True]  # at most 1.25 x 49
    assert found.excess == 0.0
    assert found.chosen(np.arange(8.0)).tolist() == [0, 1, 5, 6, 7]


def test_a_slice_that_was_disturbed_all_along_is_recognised_by_the_others_and_taken_again() -> None:
    disturbance = Disturbance(FakeDevice())
    slow, fast = rounds(*[150] * 8), rounds(*[50] * 8)
    found = slices(disturbance, slow, fast, slow, fast)  # of the first nothing else is known yet
    assert [int(part.timings.yardstick[0]) for part in found] == [150, 50, 50]


def test_slices_are_taken_again_while_most_rounds_are_disturbed_but_not_for_ever() -> None:
    disturbance = Disturbance(FakeDevice())
    assert disturbance.slice(lambda: rounds(50, 50, 200)).quiet.tolist() == [True, True, False]
    taken = 0

    def disturbed() -> Timings:
        nonlocal taken
        taken += 1
        return rounds(200, 50, 200)

    assert disturbance.slice(disturbed).quiet.tolist() == [False, True, False]
    assert taken == 1 + REPEATS
    disturbance.slice(disturbed)
    assert taken == 2 + REPEATS


def test_the_strain_of_a_slice_is_the_slower_look_at_the_memory() -> None:
    # Each look at the memory is two runs, of which the second counts; a look before and one behind each slice.
    disturbance = Disturbance(Scripted(900, 100, 900, 301, 900, 250, 900, 120))
    found = [disturbance.slice(lambda: rounds(50, 50)) for _ in range(2)]
    assert [part.strain for part in found] == [301, 250]
    assert all(part.quiet.all() and part.excess == 0 for part in found)


class Cores:
    """A device whose cores are near or far from each other; `distance` slows down whatever runs on several."""

    def __init__(self) -> None:
        self.device, self.distance = FakeDevice(), 1.0

    def team(self) -> None:
        self.device.clock.advance(100_000 * self.distance)


def test_times_on_several_threads_are_brought_to_the_usual_distance_of_the_cores() -> None:
    cores = Cores()
    visits = Visits(Disturbance(cores.device, team=cores.team))
    for distance in (1.0, 2.0, 1.0, 1.0, 2.0):
        cores.distance = distance
        visits.take(lambda: rounds(50, 50), lambda _: np.full(2, 30.0 * cores.distance))
    assert visits.measured.value_us == pytest.approx(30.0)
    assert visits.measured.standard_error_us == pytest.approx(0.0, abs=0.01)
    assert not visits.disturbed


def test_a_slice_in_which_the_cores_move_is_taken_again() -> None:
    cores = Cores()
    disturbance = Disturbance(cores.device, team=cores.team)
    distances = iter((1.0, 2.0, 2.0))

    def take() -> Timings:
        cores.distance = next(distances)
        return rounds(50, 50)

    disturbance.slice(take)
    found = disturbance.slice(take)
    assert found.team_ns == pytest.approx(200_000)
    assert next(distances, None) is None
    assert found.excess == 0


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_disturbed_rounds_do_not_move_the_table(share: float) -> None:
    random = np.random.default_rng(0)
    noisy = DisturbedDevice(lambda: SLOW if random.random() < share else 1.0)
    found = measure_table(noisy, "fake", TEACHER, Precision.INT8, OPTIONS, WORKLOAD)
    truth = measure_table(FakeDevice(), "fake", TEACHER, Precision.INT8, OPTIONS, WORKLOAD)
    for ours, theirs in zip(found.entries, truth.entries, strict=True):
        assert ours.cached.value_us == pytest.approx(theirs.cached.value_us, rel=0.02)
        assert ours.uncached.value_us == pytest.approx(theirs.uncached.value_us, rel=0.02)
    assert found.disturbed_share == 0


def test_a_machine_that_never_becomes_quiet_again_is_corrected_and_has_wide_errors() -> None:
    op = feed_forward_op(TEACHER, 48, Precision.INT8, first_token=False)
    factor = 1.0
    bench = Bench(DisturbedDevice(lambda: factor), TEACHER, OPTIONS, WORKLOAD)
    truth = visited(bench, op)
    factor = SLOW
    found = visited(bench, op)
    disturbed = [probe.disturbed for probe in (truth, found)]
    for ours, theirs in ((found.entry.cached, truth.entry.cached), (found.entry.uncached, truth.entry.uncached)):
        assert ours.value_us == pytest.approx(theirs.value_us, rel=0.01)
        assert ours.standard_error_us >= (SLOW - 1) * theirs.value_us
    assert disturbed == [False, True]


def test_a_slow_drift_of_the_clock_speed_does_not_move_the_costs() -> None:
    """A core that becomes 10 % slower: no round is disturbed, but all of them are longer."""
    op = feed_forward_op(TEACHER, 48, Precision.INT8, first_token=False)
    factor = 1.0
    bench = Bench(DisturbedDevice(lambda: factor), TEACHER, OPTIONS, WORKLOAD)
    truth = visited(bench, op).entry
    factor = 1.1
    slower = visited(bench, op)
    found = slower.entry
    assert found.cached.value_us == pytest.approx(truth.cached.value_us, rel=0.002)
    assert found.cached.standard_error_us < 0.01 * truth.cached.value_us
    assert not slower.disturbed


def test_a_table_says_for_which_speed_it_holds_and_later_models_are_corrected_to_it() -> None:
    factor = 1.0
    device = DisturbedDevice(lambda: factor)
    table = measure_table(device, "fake", TEACHER, Precision.INT8, OPTIONS, WORKLOAD)
    assert table.yardstick_us == pytest.approx(YARDSTICK_NS / 1e3)
    factor = 1.5  # for good: nothing tells that it ever was faster, but the table
    bench = Bench(device, TEACHER, OPTIONS, WORKLOAD, table.yardstick_us)
    model = WholeModel.built(bench, TEACHER, Precision.INT8)
    model.visit()
    assert model.measured.value_us == pytest.approx(estimate(table, TEACHER).value_us, rel=0.01)


class SlowModels(FakeDevice):
    """Models take longer than when the table was measured, the yardsticks do not."""

    factor = 1.0

    def pass_time(self, nanoseconds: float) -> None:
        super().pass_time(self.factor * nanoseconds)


def test_a_kept_table_is_refitted_to_the_machine_as_it_is_now() -> None:
    device = SlowModels()
    table = measure_table(device, "fake", TEACHER, Precision.INT8, OPTIONS, WORKLOAD)
    device.factor = 1.2
    now = refreshed(device, table)
    assert estimate(now, TEACHER).value_us == pytest.approx(1.2 * estimate(table, TEACHER).value_us, rel=0.01)
    assert (now.entries, now.yardstick_us) == (table.entries, table.yardstick_us)
    device.factor = 1.0
    assert refreshed(device, table).calibration.scale == pytest.approx(table.calibration.scale)


def test_a_slow_begin_does_not_become_the_speed_of_the_table() -> None:
    looks = iter(range(10**9))
    device = DisturbedDevice(lambda: 1.5 if next(looks) < 400 else 1.0)
    found = measure_table(device, "fake", TEACHER, Precision.INT8, OPTIONS, WORKLOAD)
    truth = measure_table(FakeDevice(), "fake", TEACHER, Precision.INT8, OPTIONS, WORKLOAD)
    assert found.yardstick_us == pytest.approx(truth.yardstick_us)
    assert estimate(found, TEACHER).value_us == pytest.approx(estimate(truth, TEACHER).value_us, rel=0.01)
