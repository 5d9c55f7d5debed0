"""A deterministic fake device with a virtual clock: real outputs, made-up times.

    time of a run = (overhead x nodes + sum over constant products of 2 x rows x K x N / rate) x noise

The outputs come from ONNX Runtime, so accuracy is real; the clock only moves when an engine runs, so the whole chain
from teacher to report can be tested in seconds, with the same result on every machine.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.base import Feeds

NODE_OVERHEAD_NS = 1_000.0
RATE_FLOP_PER_NS = {"MatMul": 10.0, "Gemm": 10.0, "MatMulInteger": 40.0}
YARDSTICK_NS = 50_000


class VirtualClock:
    """Nanoseconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        """The time."""
        return self.now

    def advance(self, nanoseconds: float) -> None:
        """Let time pass."""
        self.now += round(nanoseconds)


class FakeEngine:
    """A graph whose runs move the virtual clock."""

    def __init__(self, model: onnx.ModelProto, device: "FakeDevice") -> None:
        self._engine = onnxruntime_cpu.compile_model(model.SerializeToString(), CompileOptions(threads=1))
        self.inputs = self._engine.inputs
        self._device = device
        self._nodes = len(model.graph.node)
        self._cost_per_row_ns = product_cost_ns(model)

    def run(self, feeds: Feeds) -> NDArray[np.float32]:
        """See `Engine`."""
        rows = int(np.prod(feeds[self.inputs[0]].shape))
        self._device.pass_time(NODE_OVERHEAD_NS * self._nodes + rows * self._cost_per_row_ns)
        return self._engine.run(feeds)


class FakeDevice:
    """A device whose times are computed.

    Args:
        noise: Relative standard deviation of a run (log-normal).
        seed: Of the noise.
    """

    runtime: str = "fake 1"

    def __init__(self, *, noise: float = 0.0, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self._noise = noise
        self._random = np.random.default_rng(seed)

    def pass_time(self, nanoseconds: float) -> None:
        """Advance the clock by a run of that length, with noise."""
        factor = math.exp(self._noise * self._random.standard_normal()) if self._noise else 1.0
        self.clock.advance(nanoseconds * factor)

    def yardstick(self) -> object:
        """See `Device`."""
        self.clock.advance(YARDSTICK_NS)
        return None

    def option_variants(self, threads: int) -> tuple[CompileOptions, ...]:
        """See `Device`."""
        return (CompileOptions(threads),)

    def compile(self, model: bytes | Path, options: CompileOptions) -> FakeEngine:
        """See `Device`."""
        del options
        data = model if isinstance(model, bytes) else model.read_bytes()
        return FakeEngine(onnx.load_model_from_string(data), self)

    def save_engine(self, model: bytes, options: CompileOptions, path: Path) -> CompileOptions:
        """See `Device`; the fake has no optimiser."""
        path.write_bytes(model)
        return options

    def fresh_samples(
        self, model: Path, feeds: Sequence[Feeds], options: CompileOptions, *, seconds: float, processes: int
    ) -> list[NDArray[np.int64]]:
        """See `Device`; 200 runs per process, since virtual time costs nothing to anybody."""
        del seconds
        engine = self.compile(model, options)
        samples = np.empty((processes, 200), dtype=np.int64)
        for index in np.ndindex(samples.shape):
            begin = self.clock()
            engine.run({name: feeds[0][name] for name in engine.inputs})
            samples[index] = self.clock() - begin
        return list(samples)


def product_cost_ns(model: onnx.ModelProto) -> float:
    """Nanoseconds per token of all products with a constant matrix."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    products = [
        (node.op_type, shapes[node.input[1]])
        for node in model.graph.node
        if node.op_type in RATE_FLOP_PER_NS and node.input[1] in shapes
    ]
    return sum(2 * math.prod(shape) / RATE_FLOP_PER_NS[operator] for operator, shape in products)
