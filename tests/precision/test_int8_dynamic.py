"""The arithmetic of dynamic int8 against the documented formula, in exact integers."""

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import pytest
from made_up_tables import MACHINE
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from tiny_models import onnx_logits, random_encoder, tiny

from compressor.encoder import FLOAT, INT64, GraphBuilder
from compressor.precision import int8_dynamic
from compressor.precision.int8_weights import (
    LEAST_ROWS,
    LEVELS,
    REDUCED_LEVELS,
    quantise_table,
    quantise_weight,
    weight_levels,
)

F32 = NDArray[np.float32]


def random(seed: int, *shape: int, low: float = 0.0) -> F32:
    return (np.random.default_rng(seed).standard_normal(shape) + low).astype(np.float32)


def product_model(weight: F32, *, length: int = 5) -> onnx.ModelProto:
    """`x [2, length, K] @ weight + 0`."""
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [2, length, weight.shape[0]])
    y = graph.linear(x, weight, np.zeros(weight.shape[1], dtype=np.float32), "y")
    graph.output(y, FLOAT, [2, length, weight.shape[1]])
    return graph.build("product")


def simulated(x: F32, weight: F32) -> F32:
    """The formula in the module's docstring, products in 64-bit integers.

    DynamicQuantizeLinear (ONNX): scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min / scale).
    """
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = np.float32((high - low) / 255) if high > low else np.float32(1)
    zero = np.clip(np.rint(np.float32(0 - low) / scale), 0, 255)
    data = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.int64)
    weight_scale = np.where(abs(weight).max(0) > 0, abs(weight).max(0) / 127, 1.0).astype(np.float32)
    integers = np.clip(np.rint(weight / weight_scale), -127, 127).astype(np.int64)
    return ((data - int(zero)) @ integers).astype(np.float32) * (scale * weight_scale)


@pytest.mark.parametrize("low", [-3.0, 0.0, 3.0], ids=["negative", "around zero", "positive"])
def test_the_documented_formula(low: float) -> None:
    """In onnx's reference implementation, which does exact integer arithmetic on every machine."""
    weight, x = random(0, 64, 24), random(1, 2, 5, 64, low=low)
    (found,) = ReferenceEvaluator(int8_dynamic(product_model(weight)).model).run(None, {"x": x})
    expected = simulated(x, weight)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * abs(expected).max())
    assert not np.allclose(found, x @ weight, rtol=0, atol=1e-3)  # it is quantised


@pytest.mark.parametrize("optimise", [False, True], ids=["as written", "fused"])
def test_the_formula_in_onnx_runtime(optimise: bool) -> None:
    """Every other row is zero: kernels without VNNI add two products in 16 bits, which then cannot saturate."""
    weight, x = random(0, 64, 24), random(1, 2, 5, 64)
    weight[1::2] = 0
    found = onnx_logits(int8_dynamic(product_model(weight)).model, {"x": x}, optimise=optimise)
    expected = simulated(x, weight)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * abs(expected).max())


def test_an_input_of_zeros_gives_zeros() -> None:
    model = int8_dynamic(product_model(random(0, 8, 4))).model
    assert not onnx_logits(model, {"x": np.zeros((2, 5, 8), dtype=np.float32)}).any()


def test_a_weight_is_off_by_at_most_half_a_step() -> None:
    weight = random(3, 40, 30) * np.geomspace(1e-6, 1e6, 30, dtype=np.float32)
    values, scale = quantise_weight(weight)
    assert (values.dtype, scale.dtype, scale.shape) == (np.int8, np.float32, (30,))
    assert (abs(values.astype(np.float64) * scale - weight) <= scale * 0.5001).all()  # rounding of the scale itself
    assert (abs(values.astype(np.int64)).max(axis=0) == LEVELS).all()


@pytest.mark.parametrize(
    ("architecture", "flags", "expected"),
    [
        ("x86_64", ("avx2", "avx512f"), REDUCED_LEVELS),
        ("x86_64", ("avx2", "avx512_vnni"), LEVELS),
        ("x86_64", ("avx2", "avx_vnni"), LEVELS),
        ("aarch64", ("asimd",), LEVELS),
    ],
)
def test_weights_have_as_many_levels_as_the_cpu_can_add(
    architecture: str, flags: tuple[str, ...], expected: int
) -> None:
    assert weight_levels(replace(MACHINE, architecture=architecture, flags=flags)) == expected


def test_two_products_of_fewer_levels_fit_into_an_int16() -> None:
    weight = random(7, 40, 30)
    values, scale = quantise_weight(weight, REDUCED_LEVELS)
    assert abs(values.astype(np.int64)).max() == REDUCED_LEVELS
    assert 2 * 255 * REDUCED_LEVELS < 2**15 < 2 * 255 * LEVELS
    assert (abs(values.astype(np.float64) * scale - weight) <= scale * 0.5001).all()


def test_quantising_is_symmetric() -> None:
    weight = random(4, 16, 5)
    values, scale = quantise_weight(weight)
    mirrored, same = quantise_weight(-weight)
    assert np.array_equal(mirrored, -values)
    assert np.array_equal(same, scale)


def test_a_column_of_zeros() -> None:
    weight = random(5, 8, 3)
    weight[:, 1] = 0
    values, scale = quantise_weight(weight)
    assert not values[:, 1].any()
    assert scale[1] == 1.0
    found = onnx_logits(int8_dynamic(product_model(weight)).model, {"x": random(6, 2, 5, 8)})
    assert not found[..., 1].any()
    assert found[..., 0].any()


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_one_quantisation_for_all_products_that_read_a_tensor() -> None:
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [1, 2, 8])
    for name in ("a", "b", "c"):
        graph.output(graph.linear(x, random(7, 8, 4), random(8, 4), name), FLOAT, [1, 2, 4])
    graph.output(graph.linear("a", random(9, 4, 4), random(8, 4), "d"), FLOAT, [1, 2, 4])
    found = operators(int8_dynamic(graph.build("shared")).model)
    assert (found["MatMulInteger"], found["DynamicQuantizeLinear"], found["MatMul"]) == (4, 2, 0)


@pytest.mark.parametrize(("layers", "products"), [(((2, 32), (1, 16)), 10), (((0, 16),), 2), ((), 0)])
def test_the_products_of_an_encoder(layers: tuple[tuple[int, int], ...], products: int) -> None:
    """No product of the layers reads a tensor that another one reads, and the head stays in float32."""
    shape = tiny(*layers)
    found = operators(int8_dynamic(random_encoder(shape).emit()).model)
    attentions = sum(layer.heads > 0 for layer in shape.layers)
    assert (found["MatMulInteger"], found["DynamicQuantizeLinear"]) == (products, products)
    assert (found["MatMul"], found["Gemm"]) == (2 * attentions, 2)


def test_a_matrix_that_two_products_share_is_stored_once() -> None:
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [1, 2, 8])
    shared = graph.constant(random(1, 8, 8), "w")
    y = graph.node("MatMul", [graph.node("MatMul", [x, shared], "first"), shared], "second")
    graph.output(y, FLOAT, [1, 2, 8])
    result = int8_dynamic(graph.build("twice")).model
    onnx.checker.check_model(result, full_check=True)
    assert sorted(tensor.name for tensor in result.graph.initializer) == ["w.int8", "w.int8_scale"]


@pytest.mark.parametrize("case", ["two activations", "vector", "batch of matrices"])
def test_other_products_are_left_alone(case: str) -> None:
    shapes = {"two activations": None, "vector": (4,), "batch of matrices": (2, 4, 3)}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4])]
    constants = []
    if shapes[case] is None:
        inputs.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 4, 3]))
    else:
        constants.append(numpy_helper.from_array(random(2, *shapes[case]), "w"))
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = helper.make_model(helper.make_graph([node], case, inputs, [output], constants))
    result = int8_dynamic(model)
    assert not result.modified
    assert operators(result.model) == Counter(MatMul=1)


def table_model(table: F32, **attributes: int) -> onnx.ModelProto:
    """`table[ids]` of ids [2, length]."""
    graph = GraphBuilder()
    ids = graph.input("ids", INT64, [2, "length"])
    y = graph.node("Gather", [graph.constant(table, "table"), ids], "y", **attributes)
    graph.output(y, FLOAT, [2, "length", table.shape[1]])
    return graph.build("table")


def test_a_large_table_is_read_in_int8() -> None:
    table = random(10, LEAST_ROWS, 6) * np.geomspace(1e-3, 1e3, LEAST_ROWS, dtype=np.float32)[:, None]
    table[7] = 0
    model = int8_dynamic(table_model(table)).model
    onnx.checker.check_model(model, full_check=True)
    sizes = {tensor.name: len(tensor.raw_data) for tensor in model.graph.initializer}
    assert sizes == {"table.int8_rows": table.size, "table.int8_rows_scale": 4 * LEAST_ROWS}
    ids = np.random.default_rng(0).integers(0, LEAST_ROWS, (2, 500))
    ids[0, 0] = 7
    found = onnx_logits(model, {"ids": ids})
    steps = abs(table).max(axis=1, keepdims=True) / 127
    assert (abs(found - table[ids]) <= 0.501 * steps[ids]).all()
    assert not np.allclose(found, table[ids], rtol=1e-5)  # it is quantised
    values, scale = quantise_table(table)
    np.testing.assert_array_equal(found, values.astype(np.float32)[ids] * scale[ids])


@pytest.mark.parametrize("case", ["few rows", "another axis"])
def test_other_tables_are_left_alone(case: str) -> None:
    few = case == "few rows"
    model = table_model(random(11, LEAST_ROWS - few, 6), axis=0 if few else 1)
    assert not int8_dynamic(model).modified


def test_a_table_that_is_multiplied_with_too_has_both_forms() -> None:
    graph = GraphBuilder()
    ids = graph.input("ids", INT64, [1, "length"])
    table = graph.constant(random(12, LEAST_ROWS, LEAST_ROWS), "table")
    graph.output(graph.node("MatMul", [graph.node("Gather", [table, ids], "x"), table], "y"), FLOAT, [1, "length", 1])
    model = int8_dynamic(graph.build("tied")).model
    names = {tensor.name for tensor in model.graph.initializer}
    assert names == {f"table.{form}" for form in ("int8", "int8_scale", "int8_rows", "int8_rows_scale")}
