"""Graph -> graph passes that change the arithmetic, in place. No torch."""

from collections.abc import Callable, Mapping

import onnx

from compressor.precision.base import PassResult
from compressor.precision.int8_dynamic import int8_dynamic
from compressor.precision.int8_static import int8_static
from compressor.precision.ranges import Range
from compressor.records.architecture import Precision

Ranges = Mapping[str, Range]


def _keep(model: onnx.ModelProto, _: Ranges | None) -> PassResult:
    return PassResult(model, modified=False)


def _dynamic(model: onnx.ModelProto, _: Ranges | None) -> PassResult:
    return int8_dynamic(model)


PASSES: dict[Precision, Callable[[onnx.ModelProto, Ranges | None], PassResult]] = {
    Precision.FP32: _keep,
    Precision.INT8: _dynamic,
    Precision.INT8_STATIC: int8_static,
}


def apply_precision(model: onnx.ModelProto, precision: Precision, ranges: Ranges | None = None) -> onnx.ModelProto:
    """A float32 model in another precision; in place.

    Args:
        model: In float32.
        precision: The other.
        ranges: Of the activations, for int8-static; None = the graph is only timed, what it answers does not matter.
    """
    return PASSES[precision](model, ranges).model


__all__ = ["PASSES", "PassResult", "Ranges", "apply_precision", "int8_dynamic", "int8_static"]
