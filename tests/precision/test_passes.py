"""Every entry of PASSES keeps the contract."""

import onnx
import pytest
from contracts.pass_contract import PassContract
from tiny_models import copied, masked_batch, random_encoder, tiny

from compressor.encoder import FLOAT
from compressor.precision import PASSES, PassResult, apply_precision, quantise
from compressor.precision.int8_static import products, quantised_inputs
from compressor.precision.ranges import Range
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.onnxruntime_cpu import compile_model


class TestFp32(PassContract):
    """Nothing to do."""

    modifies = False
    tolerance = 1e-5

    def apply(self, model: onnx.ModelProto) -> PassResult:
        return quantise(model, Precision.FP32)


class TestInt8(PassContract):
    """Dynamic quantisation; the tolerance is that of 8 bits on logits of size 1."""

    modifies = True
    tolerance = 0.1

    def apply(self, model: onnx.ModelProto) -> PassResult:
        return quantise(model, Precision.INT8)


class TestInt8Static(PassContract):
    """Ranges that were measured on the batch that the contract compares on."""

    modifies = True
    tolerance = 0.1

    def apply(self, model: onnx.ModelProto) -> PassResult:
        measured = copied(model)
        names = quantised_inputs(measured)
        measured.graph.output.extend(onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in names)
        engine = compile_model(measured.SerializeToString(), CompileOptions(1))
        batch = masked_batch(tiny((2, 32)))
        values = engine.run_all({name: batch[name] for name in engine.inputs})
        ranges = {n: Range(min(0.0, float(values[n].min())), max(0.0, float(values[n].max()))) for n in names}
        return quantise(model, Precision.INT8_STATIC, ranges)


def test_every_precision_has_a_pass_and_a_contract() -> None:
    assert list(PASSES) == list(Precision)
    assert len(PassContract.__subclasses__()) == len(PASSES)


@pytest.mark.parametrize("precision", Precision)
def test_apply_precision_is_the_pass(precision: Precision) -> None:
    encoder = random_encoder(tiny((2, 32)))
    assert apply_precision(encoder.emit(), precision).graph == quantise(encoder.emit(), precision).model.graph


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_STATIC])
def test_products_that_are_kept_are_those_of_float32(precision: Precision) -> None:
    encoder = random_encoder(tiny((2, 32), (1, 16)))
    whole = encoder.emit()
    kept = {name for name in products(whole) if name.startswith("layer0.feed_forward")}
    mixed = quantise(encoder.emit(), precision, kept=kept).model
    onnx.checker.check_model(mixed, full_check=True)
    left = {node.output[0]: node for node in mixed.graph.node}
    constants = {tensor.name for tensor in mixed.graph.initializer}
    wanted = {node.output[0]: node for node in whole.graph.node}
    assert len(kept) == 2
    assert all(left[name] == wanted[name] and wanted[name].input[1] in constants for name in kept)
    others = set(products(whole)) - kept
    assert all(left[name] != wanted[name] for name in others)
