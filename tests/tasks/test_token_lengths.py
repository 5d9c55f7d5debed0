"""Sequence length of the default workload."""

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.tasks import LengthSummary, cut_notes, default_length, length_summary


@pytest.mark.parametrize(
    ("lengths", "percentile", "multiple", "expected"),
    [
        (np.arange(1, 101), 99, 8, 104),
        (np.arange(1, 101), 96, 8, 96),
        (np.arange(1, 101), 99, 1, 99),
        (np.array([5]), 99, 8, 8),
        (np.array([8, 8]), 99, 8, 8),
        (np.array([1] * 98 + [60, 70]), 99, 8, 64),
        (np.array([1, 50]), 50, 1, 1),
    ],
)
def test_default_length(lengths: np.ndarray, percentile: float, multiple: int, expected: int) -> None:
    assert default_length(lengths, percentile=percentile, multiple=multiple) == expected


@pytest.mark.parametrize("seed", range(5))
def test_the_share_that_was_asked_for_fits(seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(2, 200, 137)
    length = default_length(lengths)
    assert length % 8 == 0
    assert np.mean(lengths <= length) >= 0.99
    assert np.mean(lengths <= length - 8) < 0.99


def test_summary() -> None:
    expected = LengthSummary(90, share_longer=0.1, p50=50, p95=95, p99=99, longest=100)
    assert length_summary(np.arange(100, 0, -1), 90) == expected


def test_rows_that_the_teacher_does_not_take_whole_are_counted_and_said() -> None:
    lengths = np.arange(1, 101)
    found = length_summary(lengths, 90, most=96)
    assert (found.share_longer, found.share_cut, found.longest) == (0.1, 0.04, 100)
    (note,) = cut_notes(found, most=96, split="test")
    assert note.startswith("4.0 % of the rows of `test` are longer than the 96 tokens that the teacher takes")
    assert cut_notes(length_summary(lengths, 90, most=100), most=100, split="test") == ()


@pytest.mark.parametrize("options", [{"percentile": 0}, {"percentile": 101}, {"multiple": 0}])
def test_refuses(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"expected a percentile in \(0, 100\] and a multiple of at least 1, found"):
        default_length(np.array([3]), **options)


def test_no_rows() -> None:
    with pytest.raises(InputError, match="token lengths of at least one input, found none"):
        default_length(np.array([], dtype=np.int64))
    with pytest.raises(InputError, match="found none"):
        length_summary(np.array([], dtype=np.int64), 8)
