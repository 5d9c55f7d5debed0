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
        share_cut: Share of the inputs that are longer than the teacher takes, and were cut, in [0, 1].
    """

    sequence_length: int
    share_longer: float
    p50: int
    p95: int
    p99: int
    longest: int
    share_cut: float = 0.0


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


def length_summary(lengths: Ints, sequence_length: int, *, most: int | None = None) -> LengthSummary:
    """Summary of token lengths against the length of the workload.

    Args:
        lengths: Of the texts as they are, before anything is cut off, [rows].
        sequence_length: Of the workload.
        most: Tokens that the teacher takes; None = any number.

    Raises:
        InputError: No rows.
    """
    p50, p95, p99, longest = (_percentile(lengths, percentile) for percentile in (50, 95, 99, 100))
    limits = (sequence_length, longest if most is None else most)
    longer, cut = (float(np.mean(lengths > limit)) for limit in limits)
    return LengthSummary(sequence_length, longer, p50=p50, p95=p95, p99=p99, longest=longest, share_cut=cut)


def cut_notes(summary: LengthSummary, *, most: int, split: str) -> tuple[str, ...]:
    """A sentence where inputs were cut, else none: an accuracy is then that of what is left of them.

    Args:
        summary: Of the lengths of the texts as they are.
        most: Tokens that the teacher takes.
        split: Name of the split.
    """
    if summary.share_cut == 0.0:
        return ()
    note = (
        f"{100 * summary.share_cut:.1f} % of the rows of `{split}` are longer than the {most} tokens that the teacher "
        f"takes (the longest has {summary.longest}): they are cut for teacher and engine alike"
    )
    return (note,)


def _percentile(lengths: Ints, percentile: float) -> int:
    if len(lengths) == 0:
        raise InputError("expected token lengths of at least one input, found none")
    # inverted_cdf: a length that occurs, and never one that fewer inputs fit into, as interpolation may give.
    return int(np.percentile(lengths, percentile, method="inverted_cdf"))
