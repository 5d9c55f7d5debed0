"""Graph -> graph passes that change the arithmetic, in place. No torch."""

from collections.abc import Callable

import onnx

from compressor.precision.base import PassResult
from compressor.precision.int8_dynamic import int8_dynamic
from compressor.records.architecture import Precision


def _keep(model: onnx.ModelProto) -> PassResult:
    return PassResult(model, modified=False)


PASSES: dict[Precision, Callable[[onnx.ModelProto], PassResult]] = {
    Precision.FP32: _keep,
    Precision.INT8: int8_dynamic,
}


def apply_precision(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """A float32 model in another precision; in place."""
    return PASSES[precision](model).model


__all__ = ["PASSES", "PassResult", "apply_precision", "int8_dynamic"]
