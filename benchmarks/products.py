"""The floor of a model's latency: its own matrix products at their shapes, each in the fastest kernel measured.

Products with constants in int8: MatMulInteger of ONNX Runtime on activations that are quantised already, its fused
product that quantises them itself, and OpenVINO's product with constant ranges where that is installed. Products of
two activations in float32, in both runtimes. One thread.

What is not a product (norms, activations, softmax, calls) takes time on top: a ratio to this says how much. The
kernels take turns with the models that they are compared with, so that what slows one slows the other.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from compressor.encoder import FLOAT, GraphBuilder
from compressor.errors import UnavailableError
from compressor.latency.nodes import node_kernels
from compressor.latency.ops import operations
from compressor.latency.work import Product
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes.local import OPENVINO, LocalDevice

RUNS, WARM_UP = 30, 3  # of each kernel, in a round
PLAIN, OTHER = CompileOptions(1), CompileOptions(1, runtime=OPENVINO)

Feeds = dict[str, Any]


def products_of(shape: Architecture, length: int, *, every_token: bool) -> Counter[Product]:
    """The products of an encoder's layers at batch 1.

    Args:
        shape: Of the encoder.
        length: Tokens.
        every_token: All positions of the last layer too, as a plain export computes them; else as ours has them.
    """
    workload = Workload(1, length, 1)
    ops = operations(shape, Precision.INT8)[1:]
    if every_token:
        ops = tuple(replace(op, first_token=False) for op in ops)
    return Counter(kernel for op in ops for kernel in _products(shape, op, workload))


def _products(shape: Architecture, op: OpKey, workload: Workload) -> list[Product]:
    return [kernel for kernel in node_kernels(shape, op, workload) if isinstance(kernel, Product)]


@dataclass(frozen=True)
class Kernel:
    """One way to compute a product.

    Attributes:
        name: Of the way.
        runtime: Of whose calls it is one.
        run: Computes it once.
        rounds: Median microseconds of every round so far.
    """

    name: str
    runtime: str
    run: Callable[[], object]
    rounds: list[float] = field(default_factory=list)

    def turn(self) -> None:
        """Run it for a while."""
        for _ in range(WARM_UP):
            self.run()
        times = []
        for _ in range(RUNS):
            begin = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - begin)
        self.rounds.append(1e6 * float(np.median(times)))

    @property
    def us(self) -> float:
        """Median over the rounds."""
        return float(np.median(self.rounds))


class Floor:
    """Products in every kernel that computes them; `turn` once per round of what they are compared with.

    Args:
        products: All that will be asked for.
    """

    def __init__(self, products: Iterable[Product]) -> None:
        runtimes = [PLAIN, OTHER] if LocalDevice().static else [PLAIN]
        self._calls = {options.runtime: _kernel("call", options, _nothing(), _ones((1, 1))) for options in runtimes}
        self._kernels = {product: _kernels(product, runtimes) for product in set(products)}

    def turn(self) -> None:
        """Time every kernel for a moment."""
        for kernel in (*self._calls.values(), *(each for found in self._kernels.values() for each in found)):
            kernel.turn()

    def ms(self, products: Counter[Product]) -> float:
        """Milliseconds of all of them, without the calls of the runtimes."""
        return sum(count * self._us(self.fastest(product)) for product, count in products.items()) / 1e3

    def fastest(self, product: Product) -> Kernel:
        """The kernel that took the shortest time."""
        return min(self._kernels[product], key=self._us)

    def _us(self, kernel: Kernel) -> float:
        return max(0.0, kernel.us - self._calls[kernel.runtime].us)

    @property
    def names(self) -> dict[str, str]:
        """Which kernel was the fastest, for each product in words."""
        return {in_words(product): self.fastest(product).name for product in self._kernels}


def in_words(product: Product) -> str:
    """`12 x [56, 32] @ [32, 56], fp32`."""
    copies = f"{product.copies} x " if product.copies > 1 else ""
    shapes = f"[{product.rows}, {product.inner}] @ [{product.inner}, {product.columns}]"
    return f"{copies}{shapes}, {product.precision}"


def _kernels(product: Product, runtimes: list[CompileOptions]) -> list[Kernel]:
    """Those that can be compiled; the first one must."""
    random = np.random.default_rng(0)
    left = random.standard_normal((product.copies, product.rows, product.inner)).astype(np.float32)
    right = random.standard_normal((product.copies, product.inner, product.columns)).astype(np.float32)
    if product.precision is Precision.FP32:
        model, feeds = _of_activations(product), {"x": left, "y": right}
        ways = [(f"MatMul in {options.runtime}", options, model, feeds) for options in runtimes]
    else:
        levels = random.integers(0, 255, left.shape[1:]).astype(np.uint8)
        ways = [
            ("MatMulInteger", PLAIN, _integer(product), {"x": levels}),
            ("fused, quantised at run time", PLAIN, _quantised(product, Precision.INT8), {"x": left[0]}),
        ]
        if OTHER in runtimes:
            ways.append(("constant ranges", OTHER, _quantised(product, Precision.INT8_STATIC), {"x": left[0]}))
    found = []
    for place, way in enumerate(ways):
        try:
            found.append(_kernel(*way))
        except UnavailableError:
            if place == 0:
                raise
    return found


def _kernel(name: str, options: CompileOptions, model: onnx.ModelProto, feeds: Feeds) -> Kernel:
    engine = LocalDevice().compile(model.SerializeToString(), options)
    engine.run(feeds)  # where a runtime compiles, or refuses, what it has not seen
    return Kernel(name, options.runtime, partial(engine.run, feeds))


def _ones(shape: tuple[int, ...]) -> Feeds:
    return {"x": np.ones(shape, np.float32)}


def _nothing() -> onnx.ModelProto:
    """What a call takes that computes nothing to speak of."""
    graph = GraphBuilder()
    graph.output(graph.node("Relu", [graph.input("x", FLOAT, [1, 1])], "out"), FLOAT, [1, 1])
    return graph.build("call")


def _of_activations(product: Product) -> onnx.ModelProto:
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [product.copies, product.rows, product.inner])
    y = graph.input("y", FLOAT, [product.copies, product.inner, product.columns])
    graph.output(graph.node("MatMul", [x, y], "out"), FLOAT, [product.copies, product.rows, product.columns])
    return graph.build("product")


def _quantised(product: Product, precision: Precision) -> onnx.ModelProto:
    """As our passes write it."""
    weight = np.random.default_rng(1).standard_normal((product.inner, product.columns)).astype(np.float32)
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [product.rows, product.inner])
    graph.output(graph.product(x, weight, "out"), FLOAT, [product.rows, product.columns])
    return apply_precision(graph.build("product"), precision)


def _integer(product: Product) -> onnx.ModelProto:
    """The bare product: uint8 with zero point 128, int8, sums in int32."""
    values = np.random.default_rng(1).integers(-127, 127, (product.inner, product.columns)).astype(np.int8)
    x = helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, [product.rows, product.inner])
    out = helper.make_tensor_value_info("out", onnx.TensorProto.INT32, [product.rows, product.columns])
    constants = [numpy_helper.from_array(values, "w"), numpy_helper.from_array(np.array(128, np.uint8), "zero")]
    node = helper.make_node("MatMulInteger", ["x", "w", "zero"], ["out"])
    graph = helper.make_graph([node], "product", [x], [out], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
