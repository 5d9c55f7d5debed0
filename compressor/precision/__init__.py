"""Graph -> graph passes that change the arithmetic, in place. No torch."""

from collections.abc import Callable, Collection, Mapping

import onnx

from compressor.precision.base import PassResult
from compressor.precision.int8_dynamic import int8_dynamic
from compressor.precision.int8_static import int8_static
from compressor.precision.int8_weights import LEVELS, weight_levels
from compressor.precision.ranges import Range
from compressor.records.architecture import Precision

Ranges = Mapping[str, Range]


def quantise(
    model: onnx.ModelProto,
    precision: Precision,
    ranges: Ranges | None = None,
    *,
    kept: Collection[str] = (),
    levels: int = LEVELS,
) -> PassResult:
    """A float32 model in another precision; in place.

    Args:
        model: In float32.
        precision: The other.
        ranges: Of the activations, for int8-static; None = the graph is only timed, what it answers does not matter.
        kept: Names of products that stay as they are.
        levels: Of the products' weights on either side of zero; see `weight_levels`.
    """
    return PASSES[precision](model, ranges, frozenset(kept), levels)


def apply_precision(model: onnx.ModelProto, precision: Precision, ranges: Ranges | None = None) -> onnx.ModelProto:
    """The model of `quantise`, with every product in that precision."""
    return quantise(model, precision, ranges).model


def _unchanged(model: onnx.ModelProto, ranges: Ranges | None, kept: frozenset[str], levels: int) -> PassResult:
    del ranges, kept, levels
    return PassResult(model, modified=False)


def _dynamic(model: onnx.ModelProto, ranges: Ranges | None, kept: frozenset[str], levels: int) -> PassResult:
    del ranges
    return int8_dynamic(model, kept, levels)


PASSES: dict[Precision, Callable[[onnx.ModelProto, Ranges | None, frozenset[str], int], PassResult]] = {
    Precision.FP32: _unchanged,
    Precision.INT8: _dynamic,
    Precision.INT8_STATIC: int8_static,
}


__all__ = [
    "LEVELS",
    "PASSES",
    "PassResult",
    "Range",
    "Ranges",
    "apply_precision",
    "int8_dynamic",
    "int8_static",
    "quantise",
    "weight_levels",
]
