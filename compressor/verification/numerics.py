"""Do the files compute what the student computes?

    emitted graph, fp32  against the torch student        largest logit difference <= 1e-3
    engine file          against the outputs on record    largest logit difference <= 1e-3

Both run the same weights in the same precision; what is left is the order of float additions. One quantised value that
rounds the other way moves a logit by about 1e-3 of its range, so a re-run of an int8 engine on another machine has the
looser `TOLERANCE`.
"""

import numpy as np
from numpy.typing import NDArray

from compressor.records.architecture import Precision
from compressor.records.promise import Verdict
from compressor.records.results import TOLERANCE, NumericsResult

EMITTED_TOLERANCE = 1e-3

Logits = NDArray[np.float32]


def difference(a: Logits, b: Logits) -> float:
    """Largest absolute difference; infinite where the shapes differ or a value is not finite."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max(initial=0.0))


def verify_numerics(
    *, emitted_difference: float, engine: Logits, recorded: Logits, precision: Precision
) -> NumericsResult:
    """Judge both differences.

    Args:
        emitted_difference: Of the emitted fp32 graph from the torch student, on real samples.
        engine: Logits of the engine file, now.
        recorded: Logits of the engine file when it was exported.
        precision: Of the engine.
    """
    moved = difference(engine, recorded)
    good = emitted_difference <= EMITTED_TOLERANCE and moved <= TOLERANCE[precision]
    return NumericsResult(
        emitted_difference=min(emitted_difference, 1e30),
        emitted_tolerance=EMITTED_TOLERANCE,
        engine_difference=min(moved, 1e30),
        rows=len(recorded),
        verdict=Verdict.MET if good else Verdict.MISSED,
    )
