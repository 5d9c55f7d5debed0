"""Quantised by constants: the arithmetic against its formula, in two runtimes of onnx."""

from collections import Counter

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from tiny_models import masked_batch, onnx_logits, random_encoder, tiny

from compressor.encoder import FLOAT, GraphBuilder
from compressor.precision.int8_static import int8_static, quantised_inputs
from compressor.precision.int8_weights import quantise_weight
from compressor.precision.ranges import Range

F32 = NDArray[np.float32]
RANGE = Range(-2.0, 3.0)


def random(seed: int, *shape: int) -> F32:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def products() -> onnx.ModelProto:
    """Two products of `x [1, 5, 64]`, and one of their sum."""
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [1, 5, 64])
    total = graph.node(
        "Add", [graph.product(x, random(0, 64, 24), "a"), graph.product(x, random(1, 64, 24), "b")], "s"
    )
    graph.output(graph.product(total, random(2, 24, 7), "y"), FLOAT, [1, 5, 7])
    return graph.build("products")


def rounded(x: F32, found: Range) -> F32:
    """Clipped and rounded to the 256 levels of a range."""
    steps = np.clip(np.rint(x / np.float32(found.scale)) + found.zero_point, 0, 255) - found.zero_point
    return (steps * np.float32(found.scale)).astype(np.float32)


def simulated(x: F32) -> F32:
    weights = []
    for seed, shape in ((0, (64, 24)), (1, (64, 24)), (2, (24, 7))):
        values, scale = quantise_weight(random(seed, *shape))
        weights.append(values * scale)
    first = rounded(x, RANGE)
    return rounded(first @ weights[0] + first @ weights[1], Range(-20.0, 20.0)) @ weights[2]


@pytest.mark.parametrize("runtime", ["reference", "onnxruntime"])
def test_the_documented_formula(runtime: str) -> None:
    model = int8_static(products(), {"x": RANGE, "s": Range(-20.0, 20.0)}).model
    onnx.checker.check_model(model, full_check=True)
    x = random(3, 1, 5, 64)
    if runtime == "reference":
        (found,) = ReferenceEvaluator(model).run(None, {"x": x})
    else:
        found = onnx_logits(model, {"x": x}, optimise=False)
    np.testing.assert_allclose(found, simulated(x), rtol=1e-4, atol=0.05)
    assert not np.allclose(found, simulated(2 * x), atol=0.5)


def test_what_many_products_read_is_quantised_once() -> None:
    assert quantised_inputs(products()) == ("x", "s")
    found = Counter(node.op_type for node in int8_static(products(), None).model.graph.node)
    assert found == Counter(QuantizeLinear=2, DequantizeLinear=5, MatMul=3, Add=1)


def test_an_activation_without_a_range_is_an_error() -> None:
    with pytest.raises(KeyError, match="s"):
        int8_static(products(), {"x": RANGE})


def test_an_encoder_with_measured_ranges_answers_nearly_the_same() -> None:
    shape = tiny((2, 32), (1, 16))
    encoder, batch = random_encoder(shape), masked_batch(shape)
    whole = onnx_logits(encoder.emit(), batch)
    model = encoder.emit()
    names = quantised_inputs(model)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in names)
    values = ReferenceEvaluator(model).run(list(names), batch)
    ranges = {n: Range(min(0.0, float(v.min())), max(0.0, float(v.max()))) for n, v in zip(names, values, strict=True)}
    quantised = onnx_logits(int8_static(encoder.emit(), ranges).model, batch)
    assert 0 < abs(quantised - whole).max() < 0.1 * abs(whole).max()
