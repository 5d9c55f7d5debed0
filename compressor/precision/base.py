"""What a precision pass is: one verb that changes a model in place, and whether anything changed.

In place, since a copy of a model's embeddings takes longer than the pass; who needs the model later copies it first.
"""

from dataclasses import dataclass

import onnx


@dataclass(frozen=True)
class PassResult:
    """Result of a pass.

    Attributes:
        model: The one that went in.
        modified: Something was changed.
        products: Matrix products that were.
    """

    model: onnx.ModelProto
    modified: bool
    products: int = 0
