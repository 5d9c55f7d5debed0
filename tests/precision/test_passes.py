"""Every entry of PASSES keeps the contract."""

import onnx
import pytest
from contracts.pass_contract import PassContract
from tiny_models import random_encoder, tiny

from compressor.precision import PASSES, PassResult, apply_precision
from compressor.records.architecture import Precision


class TestFp32(PassContract):
    """Nothing to do."""

    modifies = False
    tolerance = 1e-5

    def apply(self, model: onnx.ModelProto) -> PassResult:
        return PASSES[Precision.FP32](model)


class TestInt8(PassContract):
    """Dynamic quantisation; the tolerance is that of 8 bits on logits of size 1."""

    modifies = True
    tolerance = 0.1

    def apply(self, model: onnx.ModelProto) -> PassResult:
        return PASSES[Precision.INT8](model)


def test_every_precision_has_a_pass_and_a_contract() -> None:
    assert list(PASSES) == list(Precision)
    assert len(PassContract.__subclasses__()) == len(PASSES)


@pytest.mark.parametrize("precision", Precision)
def test_apply_precision_is_the_pass(precision: Precision) -> None:
    encoder = random_encoder(tiny((2, 32)))
    assert apply_precision(encoder.emit(), precision).graph == PASSES[precision](encoder.emit()).model.graph
