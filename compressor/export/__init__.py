"""Student -> final graphs -> engine -> bundle.

`final_graph` is imported from `compressor.export.graphs`: it needs torch, and who reads a bundle does not.
"""

from compressor.export.bundle import (
    ENGINE,
    EVALUATION,
    EVIDENCE,
    MANIFEST,
    MODEL,
    PAGE,
    REPORT,
    check_output,
    move_into_place,
    tokenizer_bytes,
    write_evaluation,
    write_manifest,
    write_models,
    write_texts,
)
from compressor.export.evaluation import EvaluationData
from compressor.export.hashing import file_hashes

__all__ = [
    "ENGINE",
    "EVALUATION",
    "EVIDENCE",
    "MANIFEST",
    "MODEL",
    "PAGE",
    "REPORT",
    "EvaluationData",
    "check_output",
    "file_hashes",
    "move_into_place",
    "tokenizer_bytes",
    "write_evaluation",
    "write_manifest",
    "write_models",
    "write_texts",
]
