"""Memory that a run takes, estimated before it is needed, and the refusal where it clearly is not there.

    ladder    = a process + 4 x weights             (the encoder, its graph, the graph in bytes, the engine)
    training  = ladder + ranks x (a process + 3 x weights, and once more where the teacher runs in every step)

A student has at most the teacher's weights, about half of them in practice; trained ones are held as value, gradient
and two moments. What the teacher's sub-layers come to on the text that students are refitted on (`scoring.py` bounds
it) is let go before the ranks begin.
"""

import json
import math
from pathlib import Path

from compressor.errors import ResourceError
from compressor.records.units import format_bytes

PROCESS_BYTES = 450_000_000  # Python with torch, as measured
LADDER_COPIES, RANK_COPIES = 4, 3
# The estimate is not off by more than this; what lies between is tried.
CLEARLY = 0.5
LENGTH_BYTES = 8  # of the header of a safetensors file, at its begin


def float32_bytes(weights: Path) -> int:
    """Of the weights in a file when they are loaded: every stage has them in float32, whatever the file has them in.

    Of a file without a header that can be read it is the size: a pickle, or what whoever loads it will refuse.
    """
    size = weights.stat().st_size
    if weights.suffix != ".safetensors":
        return size
    with weights.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        header = stream.read(min(length, size))
    try:
        tensors = [entry for name, entry in json.loads(header).items() if name != "__metadata__"]
        return int(sum(4 * math.prod(tensor["shape"]) for tensor in tensors))
    except (ValueError, TypeError, KeyError, AttributeError):
        return size


def ladder_bytes(weights: int) -> int:
    """Memory until the unpruned teacher is measured; `weights` in bytes of float32."""
    return PROCESS_BYTES + LADDER_COPIES * weights


def training_bytes(weights: int, *, ranks: int, beside_teacher: bool = False) -> int:
    """Memory of a run that trains a student.

    Args:
        weights: Of the teacher, in bytes of float32.
        ranks: Processes that train.
        beside_teacher: Whether each of them holds the teacher, too.
    """
    copies = RANK_COPIES + int(beside_teacher)
    return ladder_bytes(weights) + ranks * (PROCESS_BYTES + copies * weights)


def check_memory(needed: int, available: int, *, what: str) -> None:
    """Refuse to start what cannot end well.

    Args:
        needed: Estimate in bytes.
        available: Bytes that can still be had.
        what: The work, as the subject of a sentence.

    Raises:
        ResourceError: Less than half of the estimate is available.
    """
    if available < CLEARLY * needed:
        raise ResourceError(
            f"{what} takes about {format_bytes(needed)} of memory, found {format_bytes(available)} available "
            "(the machine's, at most what the control groups of this process leave); end other programs, raise the "
            "limit of the container, or use a machine with more"
        )
