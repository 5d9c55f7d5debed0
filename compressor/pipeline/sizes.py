"""How much `--max-size` leaves for the layers of a student."""

import math

from compressor.encoder import Encoder
from compressor.export import tokenizer_bytes
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision

# Of the room for layers, what their weights may take; the rest is nodes, names and shapes.
WEIGHTS_SHARE = 0.97


def room_for_layers(bench: Workbench, source: Architecture, precision: Precision) -> float:
    """Bytes for the weights of a student's layers; infinite without a limit.

    Args:
        bench: Names the limit.
        source: Shape of what is cut: embeddings and head stay.
        precision: Of the student.
    """
    most = bench.request.budget.max_size_bytes
    if most is None:
        return math.inf
    frame = Encoder(source.with_layers(())).emit()
    rest = tokenizer_bytes(bench.teacher.folder) + len(apply_precision(frame, precision).SerializeToString())
    return WEIGHTS_SHARE * max(0, most - rest)
