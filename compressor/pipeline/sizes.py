"""What a model weighs beside the weights of its layers."""

from compressor.encoder import Encoder
from compressor.export import tokenizer_bytes
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision


def shipped_bytes(bench: Workbench, shape: Architecture, precision: Precision) -> int:
    """Engine and tokenizer of an encoder of some shape: its weights, embeddings, head, and the nodes of its graph."""
    model = apply_precision(Encoder(shape).emit(), precision)
    return tokenizer_bytes(bench.teacher.folder) + len(model.SerializeToString())
