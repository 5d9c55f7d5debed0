"""The fake device: the contract, its cost model and its determinism."""

from pathlib import Path

import numpy as np
import pytest
from contracts.runtime_contract import RuntimeContract
from numpy.typing import NDArray
from tiny_models import masked_batch, random_encoder, tiny

from compressor.errors import UnavailableError
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes import open_device
from compressor.runtimes.fake import NODE_OVERHEAD_NS, FakeDevice, VirtualClock, products_ns

OPTIONS = CompileOptions(1)


class TestFakeDevice(RuntimeContract):
    """The fake."""

    def device(self) -> FakeDevice:
        return FakeDevice(noise=0.01)


def run_ns(shape: Architecture, lengths: tuple[int, ...] = (6,), precision: Precision = Precision.FP32) -> int:
    """Virtual time of one run without noise."""
    device = FakeDevice()
    engine = device.compile(apply_precision(random_encoder(shape).emit(), precision).SerializeToString(), OPTIONS)
    engine.run(masked_batch(shape, lengths))
    return device.clock()


def samples(seed: int, tmp_path: Path) -> NDArray[np.int64]:
    shape = tiny((1, 16))
    path = tmp_path / "model.onnx"
    path.write_bytes(random_encoder(shape).emit().SerializeToString())
    device = FakeDevice(noise=0.05, seed=seed)
    feeds = [masked_batch(shape, (4,))]
    return np.stack([found.times for found in device.fresh_samples(path, feeds, OPTIONS, seconds=0.02, processes=2)])


def test_times_depend_on_the_seed_alone(tmp_path: Path) -> None:
    assert np.array_equal(samples(3, tmp_path), samples(3, tmp_path))
    assert not np.array_equal(samples(3, tmp_path), samples(4, tmp_path))


def test_every_process_gets_its_share_of_virtual_time(tmp_path: Path) -> None:
    times = samples(0, tmp_path)
    assert times.sum(axis=1) == pytest.approx([0.01e9] * 2, rel=0.1)


def test_noise_is_log_normal_around_the_cost(tmp_path: Path) -> None:
    logs = np.log(samples(5, tmp_path) / run_ns(tiny((1, 16)), (4,)))
    assert abs(logs.mean()) < 4 * 0.05 / np.sqrt(logs.size)
    assert logs.std() == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("precision", Precision)
def test_time_grows_with_every_width_and_with_the_shape(precision: Precision) -> None:
    base = run_ns(tiny((1, 16), (1, 16)), (6,), precision)
    assert base < run_ns(tiny((2, 16), (1, 16)), (6,), precision)
    assert base < run_ns(tiny((1, 16), (1, 32)), (6,), precision)
    assert base < run_ns(tiny((1, 16), (1, 16)), (7,), precision)
    assert base < run_ns(tiny((1, 16), (1, 16)), (6, 6), precision)
    assert base > run_ns(tiny((1, 16)), (6,), precision)


@pytest.mark.parametrize(("precision", "rate"), [(Precision.FP32, 10), (Precision.INT8, 40)])
def test_products_count_the_rows_that_they_have(precision: Precision, rate: int) -> None:
    """By hand: all tokens before the last attention; from it on one row per input, in it one per head."""
    shape = tiny((2, 32), (1, 16), (0, 48), hidden=16, head_size=8, classes=3)
    batch, length, hidden = 2, 7, 16
    everywhere = 4 * hidden * 16 + 2 * hidden * 32
    first = 4 * hidden * 8 + 2 * hidden * 16 + 2 * hidden * 48
    head = hidden * hidden + hidden * 3  # in float32 always
    expected = 2 * batch * ((length * everywhere + first) / rate + head / 10)
    model = apply_precision(random_encoder(shape).emit(), precision)
    shapes = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), (batch, length))
    assert products_ns(model, shapes) == pytest.approx(expected)
    total = NODE_OVERHEAD_NS * len(model.graph.node) + expected
    assert run_ns(shape, (length, length), precision) == pytest.approx(total, abs=1)


def test_a_device_is_opened_by_the_name_of_its_runtime() -> None:
    assert open_device("fake").runtime == "fake 1"
    assert open_device("onnxruntime").runtime.startswith("onnxruntime 1")
    with pytest.raises(
        UnavailableError, match="no runtime 'tensorrt' here; this version drives onnxruntime, openvino, fake"
    ):
        open_device("tensorrt")


def test_the_virtual_clock_moves_only_when_told() -> None:
    clock = VirtualClock()
    assert (clock(), clock()) == (0, 0)
    clock.advance(2.6)
    assert clock() == 3
