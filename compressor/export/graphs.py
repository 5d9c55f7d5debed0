"""Student -> final graphs: emit, check, apply the precision."""

from typing import Protocol

import onnx

from compressor.errors import BorderError
from compressor.precision import apply_precision
from compressor.records.architecture import Precision


class Emitting(Protocol):
    """A model that knows its graph: a canonical encoder, or a foreign model that is exported."""

    def emit(self) -> onnx.ModelProto:
        """The model in ONNX, float32."""


def final_graph(encoder: Emitting, precision: Precision) -> onnx.ModelProto:
    """The portable model of a student in a precision that needs no measured ranges, checked.

    Args:
        encoder: The student.
        precision: Of its products.

    Raises:
        BorderError: The ONNX checker or its shape inference refuses the graph.
    """
    return checked(apply_precision(encoder.emit(), precision), precision)


def checked(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """A graph that the ONNX checker has nothing against.

    Raises:
        BorderError: The checker or its shape inference refuses it.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BorderError(f"the emitted {precision} graph is not valid ONNX: {error}") from error
    return model
