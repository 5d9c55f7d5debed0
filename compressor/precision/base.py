"""What a precision pass is: one verb, model in, new model out, and whether anything changed."""

from dataclasses import dataclass

import onnx


@dataclass(frozen=True)
class PassResult:
    """Result of a pass; the model that went in is left as it was."""

    model: onnx.ModelProto
    modified: bool
