"""Memory that a run takes, estimated before it is needed, and the refusal where it clearly is not there.

    ladder    = a process + 4 x weights             (the encoder, its graph, the graph in bytes, the engine)
    training  = ladder + ranks x (a process + 3 x weights)

A student has at most the teacher's weights, about half of them in practice; trained ones are held as value, gradient
and two moments.
"""

from compressor.errors import ResourceError
from compressor.records.units import format_bytes

PROCESS_BYTES = 450_000_000  # Python with torch, as measured
LADDER_COPIES, RANK_COPIES = 4, 3
# The estimate is not off by more than this; what lies between is tried.
CLEARLY = 0.5


def ladder_bytes(weights: int) -> int:
    """Memory until the unpruned teacher is measured; `weights` in bytes of float32."""
    return PROCESS_BYTES + LADDER_COPIES * weights


def training_bytes(weights: int, *, ranks: int) -> int:
    """Memory of a run that trains a student on that many processes; `weights` of the teacher in bytes of float32."""
    return ladder_bytes(weights) + ranks * (PROCESS_BYTES + RANK_COPIES * weights)


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
