"""A deterministic fake device with a virtual clock: real outputs, made-up times.

    time of a run = (overhead x nodes + sum over products with a constant [K, N] of 2 x rows x K x N / rate) x noise

with the rows that the product has at the run's shapes: one per input, not per token, in the pooler and behind the last
attention. The outputs come from ONNX Runtime, so accuracy is real; the clock only moves when an engine runs, so the
whole chain from teacher to report can be tested in seconds, with the same result on every machine.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.base import Feeds, Progress
from compressor.runtimes.samples import STRETCH_RUNS, Samples
from compressor.runtimes.shapes import inferred_shapes

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

    def __init__(self, model: bytes | Path, device: "FakeDevice") -> None:
        self._engine = onnxruntime_cpu.compile_model(model, CompileOptions(threads=1))
        self.inputs = self._engine.inputs
        self._device = device
        self._model = onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load_model(model)
        self._cost_ns: dict[tuple[tuple[int, ...], ...], float] = {}  # at the shapes of the inputs

    def run(self, feeds: Feeds) -> NDArray[np.float32]:
        """See `Engine`."""
        self._device.pass_time(self.cost_ns(feeds))
        return self._engine.run(feeds)

    def cost_ns(self, feeds: Feeds) -> float:
        """Nanoseconds of a run on these inputs, without noise."""
        shapes = {name: feeds[name].shape for name in self.inputs}
        key = tuple(shapes.values())
        if key not in self._cost_ns:
            self._cost_ns[key] = NODE_OVERHEAD_NS * len(self._model.graph.node) + products_ns(self._model, shapes)
        return self._cost_ns[key]


class FakeDevice:
    """A device whose times are computed.

    Args:
        noise: Relative standard deviation of a run (log-normal).
        seed: Of the noise.
    """

    runtime: str = "fake 1"
    shared: bool = False
    static: bool = False

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

    def memory_yardstick(self) -> object:
        """See `Device`."""
        self.clock.advance(YARDSTICK_NS)
        return None

    def evict(self) -> object:
        """See `Device`; the fake has no caches."""
        return None

    def runtime_of(self, options: CompileOptions) -> str:
        """See `Device`."""
        del options
        return self.runtime

    def option_variants(self, threads: int, precision: Precision | None = None) -> tuple[CompileOptions, ...]:
        """See `Device`."""
        del precision
        return (CompileOptions(threads),)

    def compile(self, model: bytes | Path, options: CompileOptions) -> FakeEngine:
        """See `Device`."""
        del options
        return FakeEngine(model, self)

    def save_engine(self, model: bytes, options: CompileOptions, path: Path) -> CompileOptions:
        """See `Device`; the fake has no optimiser."""
        path.write_bytes(model)
        return options

    def kernels(self, engine: Path, options: CompileOptions) -> dict[str, int]:
        """See `Device`; the fake has no kernels."""
        del engine, options
        return {}

    def fresh_samples(
        self,
        model: Path,
        feeds: Sequence[Feeds],
        options: CompileOptions,
        *,
        seconds: float,
        processes: int,
        progress: Progress | None = None,
    ) -> list[Samples]:
        """See `Device`; the first input is run once, and the times of all others are drawn."""
        engine = self.compile(model, options)
        engine.run({name: feeds[0][name] for name in engine.inputs})
        cost_ns = engine.cost_ns(feeds[0])
        stretches = max(1, math.ceil(seconds / processes * 1e9 / (STRETCH_RUNS * cost_ns)))
        samples = []
        for done in range(1, processes + 1):
            samples.append(self._consecutive(cost_ns, stretches))
            if progress is not None:
                progress(done / processes)
        return samples

    def _consecutive(self, cost_ns: float, stretches: int) -> Samples:
        factors = np.exp(self._noise * self._random.standard_normal(stretches * STRETCH_RUNS))
        times = np.round(cost_ns * factors).astype(np.int64)
        yardstick = np.full(stretches, YARDSTICK_NS, dtype=np.int64)
        self.clock.advance(int(times.sum() + yardstick.sum()))
        return Samples(times, yardstick)


def products_ns(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> float:
    """Nanoseconds of all products with a constant matrix, at these shapes of the graph's inputs.

    A product costs 2 x size of the result x K, where the result [..., N] has as many rows as the input.
    """
    sizes = inferred_shapes(model, shapes)
    matrices = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    total = 0.0
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in matrices:
            matrices[node.output[0]] = matrices[node.input[0]]
        if node.op_type in RATE_FLOP_PER_NS and node.input[1] in matrices:
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            inner = matrices[node.input[1]][1 if transposed else 0]
            total += 2 * math.prod(sizes.get(node.output[0], (0,))) * inner / RATE_FLOP_PER_NS[node.op_type]
    return total
