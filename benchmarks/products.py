"""The floor of a model's latency: its own matrix products at their shapes, each in the fastest kernel measured.

Products with constants in int8 (activations quantised already), those of two activations in float32, one thread. What
is not a product (norms, activations, softmax, quantising, calls) takes time on top: a ratio to this says how much.
"""

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from compressor.latency.nodes import node_kernels
from compressor.latency.ops import operations
from compressor.latency.work import Product
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.promise import Workload

RUNS = 400


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


def floor_ms(products: Counter[Product]) -> float:
    """Milliseconds of all of them, without the call of the runtime."""
    call = _median_us("Identity", [np.zeros((1, 1), np.uint8)], [])
    return sum(count * max(0.0, _product_us(product) - call) for product, count in products.items()) / 1e3


def _product_us(product: Product) -> float:
    random = np.random.default_rng(0)
    left = (product.copies, product.rows, product.inner)
    right = (product.copies, product.inner, product.columns)
    if product.precision is Precision.FP32:
        arrays = [random.standard_normal(shape).astype(np.float32) for shape in (left, right)]
        return _median_us("MatMul", arrays, [])
    x = random.integers(0, 255, left[1:]).astype(np.uint8)
    weight = random.integers(-127, 127, right[1:]).astype(np.int8)
    return _median_us("MatMulInteger", [x], [weight, np.array(128, dtype=np.uint8)])


def _median_us(operator: str, inputs: list[np.ndarray], constants: list[np.ndarray]) -> float:
    """Of one node by itself, called from Python."""
    names = [f"x{i}" for i in range(len(inputs))]
    fixed = [numpy_helper.from_array(value, f"c{i}") for i, value in enumerate(constants)]
    kinds = [helper.np_dtype_to_tensor_dtype(value.dtype) for value in inputs]
    declared = [helper.make_tensor_value_info(n, k, v.shape) for n, k, v in zip(names, kinds, inputs, strict=True)]
    result = {"MatMul": TensorProto.FLOAT, "MatMulInteger": TensorProto.INT32, "Identity": TensorProto.UINT8}[operator]
    output = helper.make_tensor_value_info("y", result, None)
    node = helper.make_node(operator, [*names, *(tensor.name for tensor in fixed)], ["y"])
    graph = helper.make_graph([node], "product", declared, [output], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    feeds, times = dict(zip(names, inputs, strict=True)), []
    for _ in range(RUNS):
        begin = time.perf_counter()
        session.run(None, feeds)
        times.append(1e6 * (time.perf_counter() - begin))
    return float(np.median(times))
