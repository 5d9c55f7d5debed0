"""Estimated tables: times worked by hand, every profile, what must rise with what, published latencies."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from tiny_models import tiny

from benchmarks.published import mean_errors, published_errors
from compressor.errors import ExitCode, InputError
from compressor.latency import candidate_ops, estimated_table
from compressor.latency.roofline_cpu import MOVE_OPERATIONS, NODE_US, RENDEZVOUS_US, CpuRoofline, cpu_roofline
from compressor.latency.roofline_gpu import HALVED_TILE_SHARE, LAUNCH_US, GpuRoofline, gpu_roofline
from compressor.latency.work import Elementwise, Product, linear
from compressor.profiles import list_profiles, load_profile
from compressor.records import serial
from compressor.records.architecture import Architecture, Layer, OpKey, Precision
from compressor.records.latency import LatencyTable
from compressor.records.profile import HardwareProfile, Quantity
from compressor.records.promise import Workload

FP32, INT8 = ESTIMATED = Precision.FP32, Precision.INT8
TEACHER = tiny((3, 48), (3, 48))
WORKLOAD = Workload(batch=2, sequence_length=7, threads=1)
WIDE = Architecture((Layer(4, 1024),) * 2, 256, 64, 1000, 512, 2, 2)
DEVICES = [name for name in list_profiles() if name != "cpu"]


def profile(kind: str = "cpu", **quantities: float | None) -> HardwareProfile:
    numbers = tuple((name, Quantity(value, "unit", "measured", "a test")) for name, value in quantities.items())
    return HardwareProfile("p", "a profile", kind, "onnxruntime", (), (), ("fp32", "int8"), quantities=numbers)


def with_quantity(known: HardwareProfile, name: str, value: float | None) -> HardwareProfile:
    numbers = {**dict(known.quantities), name: Quantity(value, "unit", "measured", "a test")}
    return replace(known, quantities=tuple(numbers.items()))


CPU = CpuRoofline(1, {FP32: 1e11, INT8: 4e11}, memory_bytes_per_s=1e10, cache_bytes=1e6)


def test_a_product_of_many_rows_takes_its_operations() -> None:
    many = linear(1000, 1000, 1000, FP32)  # 2e9 operations at 1e11 per second
    assert CPU.microseconds(many, cached=True) == pytest.approx(20_000 + NODE_US)
    assert CPU.microseconds(many, cached=False) == pytest.approx(20_000 + NODE_US)
    assert CPU.microseconds(linear(1000, 1000, 1000, INT8), cached=True) == pytest.approx(5_000 + NODE_US)


def test_a_product_of_one_row_takes_its_weights() -> None:
    one = linear(1, 1000, 1000, FP32)  # 20 us of operations; 4.004 MB of constants, 8 kB of activations from the cache
    assert CPU.microseconds(one, cached=False) == pytest.approx(4.004e6 / 1e4 + 0.16 + NODE_US)
    assert CPU.microseconds(one, cached=True) == pytest.approx(4.004e6 / 5e4 + 0.16 + NODE_US)


def test_small_nodes_take_their_overhead_and_large_ones_their_elements() -> None:
    assert CPU.microseconds(Elementwise(0, 0), cached=True) == NODE_US
    assert CPU.microseconds(Elementwise(0, 0, launched=False), cached=True) == 0
    large = Elementwise(10**6, 8 * 10**6)
    assert CPU.microseconds(large, cached=True) == pytest.approx(NODE_US + 10 * MOVE_OPERATIONS)


def test_threads_are_used_where_they_pay() -> None:
    four = replace(CPU, threads=4)
    large, small = linear(1000, 1000, 1000, FP32), linear(1, 10, 10, FP32)
    assert four.microseconds(large, cached=True) == pytest.approx(5_000 + RENDEZVOUS_US + NODE_US)
    assert four.microseconds(small, cached=True) == CPU.microseconds(small, cached=True)


def test_the_rates_of_a_cpu_come_from_its_profile() -> None:
    cycles = {"fp32_flops_per_cycle_per_core": 16.0, "int8_ops_per_cycle_per_core": 64.0, "clock_hz": 2e9}
    found = cpu_roofline(profile(**cycles, memory_bandwidth_bytes_per_s=1e10), Workload(1, 8, 2))
    assert found.rates == {FP32: pytest.approx(0.6 * 32e9), INT8: pytest.approx(0.6 * 128e9)}
    assert (found.threads, found.memory_bytes_per_s, found.cache_bytes) == (2, pytest.approx(8.5e9), 2 * 2**20)
    measured = {"gemm_fp32_flops_per_s_per_thread": 1e10, "gemm_int8_ops_per_s_per_thread": 3e10}
    caches = {"l2_cache_bytes_per_core": 1e6, "l3_cache_bytes": 8e6}
    found = cpu_roofline(profile("android", **cycles, **measured, **caches), Workload(1, 8, 2))
    assert found.rates == {FP32: 1e10, INT8: 3e10}
    assert (found.memory_bytes_per_s, found.cache_bytes) == (9.6e9, 1e7)
    assert cpu_roofline(profile(**measured), Workload(1, 8, 2)).memory_bytes_per_s == 3e10


GPU = GpuRoofline(
    rates={FP32: 1e12, INT8: 1e13},
    tensor_cores=frozenset({INT8}),
    multiprocessors=10,
    memory_bytes_per_s=1e11,
    cache_bytes_per_s=1e12,
    cache_bytes=1e6,
    launch_us=2.0,
)


def test_a_large_product_on_a_gpu_runs_in_waves_of_large_tiles() -> None:
    product = linear(1280, 1000, 1280, INT8, 1)  # 100 tiles of 128, 10 waves of 2 x 128^2 x 1000 at 1e12 per second
    assert GPU.microseconds(product, cached=True) == pytest.approx(2.0 + 10 * 32.768)
    one_more = linear(1281, 1000, 1280, INT8, 1)  # 110 large tiles, in full waves
    assert GPU.microseconds(one_more, cached=True) == pytest.approx(2.0 + 11 * 32.768)


def test_a_small_product_on_a_gpu_takes_smaller_tiles() -> None:
    product = linear(128, 1000, 128, INT8, 1)  # one large tile; four of 64; sixteen of 32 in two waves
    large, middle, small = 32.768, 8.192 / HALVED_TILE_SHARE, 2 * 2.048 / HALVED_TILE_SHARE**2
    assert GPU.microseconds(product, cached=True) == pytest.approx(2.0 + min(large, middle, small))
    assert small < middle < large
    on_cores = linear(128, 1000, 128, FP32)  # without tensor cores a small tile is as good
    assert GPU.microseconds(on_cores, cached=True) == pytest.approx(2.0 + 2 * 20.48)


def test_one_row_on_a_gpu_takes_its_weights() -> None:
    product = linear(1, 4096, 640, INT8, 1)
    constants, activations = 4096 * 640 + 8 * 640, 4096 + 640
    slow = replace(GPU, memory_bytes_per_s=1e10)
    assert slow.microseconds(product, cached=False) == pytest.approx(2 + constants / 1e4 + activations / 1e6)
    tiles = 2 * 2 * 32 * 32 * 4096 / 1e6 / HALVED_TILE_SHARE**2  # 20 tiles of 32 in two waves
    assert slow.microseconds(product, cached=True) == pytest.approx(2 + tiles)


def test_a_kernel_with_little_to_do_is_bound_by_its_launch() -> None:
    assert GPU.microseconds(Elementwise(16, 32), cached=True) == pytest.approx(2.0, rel=1e-3)
    assert GPU.microseconds(Elementwise(10**7, 2 * 10**7), cached=True) == pytest.approx(2 + 200)  # out of the cache


def test_attention_on_a_gpu_is_one_block_per_head_and_input() -> None:
    def block(copies: int) -> Product:
        return Product(100, 200, 64, INT8, copies)

    wave = 2 * 100 * 200 * 64 / 1e12 / HALVED_TILE_SHARE * 1e6
    for copies, waves in ((1, 1), (10, 1), (11, 2)):
        assert GPU.microseconds(block(copies), cached=True) == pytest.approx(2 + waves * wave)


def test_the_rates_of_a_gpu_come_from_its_profile() -> None:
    t4, a100, h100 = (gpu_roofline(load_profile(name), WORKLOAD) for name in ("t4", "a100", "h100"))
    assert (t4.multiprocessors, t4.launch_us, t4.cache_bytes) == (40, LAUNCH_US, 4 * 2**20)
    assert t4.rates == {FP32: pytest.approx(0.41 * 8.1e12), INT8: 4.54e13}
    assert t4.tensor_cores == {INT8}
    assert a100.rates[FP32] == pytest.approx(0.41 * 1.56e14)  # TF32
    assert a100.tensor_cores == {FP32, INT8}
    assert (h100.launch_us, h100.rates[INT8]) == (2.48, pytest.approx(0.5 * 1.979e15))
    assert t4.memory_bytes_per_s == pytest.approx(0.85 * 3.2e11)


@pytest.mark.parametrize("precision", ESTIMATED)
@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("per_token", [False, True])
def test_every_shipped_profile_gives_a_whole_table(name: str, precision: Precision, per_token: bool) -> None:
    teacher = replace(TEACHER, per_token=per_token)
    table = estimated_table(load_profile(name), teacher, precision, WORKLOAD)
    assert Counter(entry.op for entry in table.entries) == Counter(candidate_ops(teacher, precision))
    assert (table.source, table.device, table.precision) == ("estimated", name, precision)
    assert (table.teacher, table.workload, table.runtime) == (teacher, WORKLOAD, load_profile(name).runtime)
    for entry in table.entries:
        assert 0 < entry.cached.value_us <= entry.uncached.value_us
        assert entry.cached.standard_error_us == pytest.approx(0.3 * entry.cached.value_us)
        assert entry.weight_bytes > 0
    assert table.calibration.uncached_share(0) == 0
    assert table.calibration.uncached_share(1e12) > 0.999
    assert table.calibration.error_share == 0.3
    assert serial.from_json(LatencyTable, serial.to_json(table)) == table


def costs(device: HardwareProfile, precision: Precision, workload: Workload) -> list[float]:
    """Cached and uncached cost of every op of a wide teacher."""
    entries = estimated_table(device, WIDE, precision, workload).entries
    return [cost.value_us for entry in entries for cost in (entry.cached, entry.uncached)]


def never_slower(better: list[float], worse: list[float]) -> bool:
    return all(a <= b * (1 + 1e-12) for a, b in zip(better, worse, strict=True)) and sum(better) < sum(worse)


@pytest.mark.parametrize("precision", ESTIMATED)
@pytest.mark.parametrize("name", DEVICES)
def test_costs_rise_with_width_batch_and_length(name: str, precision: Precision) -> None:
    device = load_profile(name)
    families: dict[OpKey, list[tuple[int, float]]] = {}
    for entry in estimated_table(device, WIDE, precision, Workload(1, 128, 1)).entries:
        families.setdefault(replace(entry.op, width=0), []).append((entry.op.width, entry.cached.value_us))
    for family in families.values():
        values = [value for _, value in sorted(family)]
        assert values == sorted(values)
    for shapes in ([(1, 16), (2, 16), (8, 16), (64, 16)], [(1, 8), (1, 32), (1, 128), (1, 512)]):
        found = [costs(device, precision, Workload(*shape, 1)) for shape in shapes]
        assert all(never_slower(less, more) for less, more in pairwise(found))


@pytest.mark.parametrize("name", DEVICES)
def test_more_bandwidth_and_more_threads_are_never_slower(name: str) -> None:
    device = load_profile(name)
    narrow, wide = (with_quantity(device, "memory_bandwidth_bytes_per_s", value) for value in (2e9, 8e9))
    for precision in ESTIMATED:
        one = Workload(1, 8, 1)
        assert never_slower(costs(wide, precision, one), costs(narrow, precision, one))
        if device.kind != "cuda":
            many = [costs(device, precision, Workload(4, 128, threads)) for threads in (1, 2, 4)]
            assert never_slower(many[1], many[0])
            assert never_slower(many[2], many[1])


NEEDED = [
    ("t4", "memory_bandwidth_bytes_per_s"),
    ("t4", "peak_fp32_flops_per_s"),
    ("t4", "multiprocessor_count"),
    ("t4", "l2_cache_bytes"),
    ("h100", "peak_int8_ops_per_s"),
    ("android-arm64", "clock_hz"),
    ("arm64-server", "fp32_flops_per_cycle_per_core"),
    ("arm64-server", "int8_ops_per_cycle_per_core"),
]


@pytest.mark.parametrize(("name", "quantity"), NEEDED)
def test_a_quantity_that_is_missing_is_named(name: str, quantity: str) -> None:
    known = load_profile(name)
    dropped = replace(known, quantities=tuple(item for item in known.quantities if item[0] != quantity))
    for device in (with_quantity(known, quantity, None), dropped):
        with pytest.raises(InputError, match=f"estimate for '{name}' needs the quantity {quantity}, .* add it"):
            estimated_table(device, TEACHER, FP32, WORKLOAD)


def test_this_machine_has_no_numbers_to_estimate_from() -> None:
    with pytest.raises(InputError, match="estimate for 'cpu' needs the quantity fp32_flops_per_cycle_per_core"):
        estimated_table(load_profile("cpu"), TEACHER, FP32, WORKLOAD)


def test_what_the_device_or_the_teacher_cannot_do_is_refused() -> None:
    t4 = replace(load_profile("t4"), precisions=("fp16", "fp32"))
    with pytest.raises(InputError, match=r"a precision that 't4' runs \(fp16, fp32\), got int8") as refused:
        estimated_table(t4, TEACHER, INT8, WORKLOAD)
    assert refused.value.exit_code is ExitCode.USAGE
    with pytest.raises(InputError, match="at most 12 tokens, got 13"):
        estimated_table(t4, TEACHER, FP32, Workload(1, 13, 1))


def test_estimates_of_bert_base_are_near_the_published_times() -> None:
    """Within a factor of three everywhere, and within the stated standard error on average."""
    rows = published_errors()
    assert all(abs(math.log(row.estimated_ms / row.published_ms)) < math.log(3) for row in rows)
    means = mean_errors(rows)
    assert set(means) == {"t4_estimate_error_percent", "a100_estimate_error_percent"}
    assert max(means.values()) < 30
    t4 = [abs(row.error_percent) for row in rows if row.device == "t4"]
    assert means["t4_estimate_error_percent"] == pytest.approx(sum(t4) / len(t4), abs=0.1)
