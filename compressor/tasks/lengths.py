"""Token lengths: the sequence length of the default workload, and what it leaves out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LengthSummary:
    """Token lengths of one split, special tokens included.

    Args:
        sequence_length: The length at which the latency promise holds.
        share_longer: Share of the inputs that are longer, in [0, 1].
        p50: Median length: the shortest that at least half of the inputs fit into; p95 and p99 likewise.
        p95: 95th percentile.
        p99: 99th percentile.
        longest: Length of the longest input.
    """

    sequence_length: int
    share_longer: float
    p50: int
    p95: int
    p99: int
    longest: int


def default_length(lengths: Ints, *, percentile: float = 99, multiple: int = 8) -> int:
    """Sequence length of the default workload.

    Args:
        lengths: Token lengths of the evaluation split [rows].
        percentile: At least this share of the inputs fits, in percent.
        multiple: The result is rounded up to a multiple of it.

    Raises:
        InputError: No rows, or a percentile or multiple out of range.
    """
    if not 0 < percentile <= 100 or multiple < 1:
        raise InputError(
            f"expected a percentile in (0, 100] and a multiple of at least 1, found {percentile} and {multiple}"
        )
    return -(-_percentile(lengths, percentile) // multiple) * multiple


def length_summary(lengths: Ints, sequence_length: int) -> LengthSummary:
    """Summary of token lengths [rows] against the length of the workload.

    Raises:
        InputError: No rows.
    """
    p50, p95, p99, longest = (_percentile(lengths, percentile) for percentile in (50, 95, 99, 100))
    share = float(np.mean(lengths > sequence_length))
    return LengthSummary(sequence_length, share, p50=p50, p95=p95, p99=p99, longest=longest)


def _percentile(lengths: Ints, percentile: float) -> int:
    if len(lengths) == 0:
        raise InputError("expected token lengths of at least one input, found none")
    # inverted_cdf: a length that occurs, and never one that fewer inputs fit into, as interpolation may give.
    return int(np.percentile(lengths, percentile, method="inverted_cdf"))
