"""Targets: rows, selections, a model's answers, and what does not fit."""

import numpy as np
import pytest

from compressor.errors import BorderError
from compressor.tasks import IGNORED, Targets

VALUES = np.array([IGNORED, 1, IGNORED, 0, IGNORED, IGNORED, 2, IGNORED], dtype=np.int64)
OFFSETS = np.array([0, 5, 5, 8], dtype=np.int64)
PER_TOKEN = Targets(VALUES, OFFSETS, ("O", "B-a", "I-a"))


def test_rows_of_scores_and_of_tokens() -> None:
    scores = Targets(np.array([0.5, 1.5, 2.5]))
    assert (len(scores), len(PER_TOKEN)) == (3, 3)
    assert scores.select([2, 0]).values.tolist() == [2.5, 0.5]
    assert PER_TOKEN.counted.tolist() == [False, True, False, True, False, False, True, False]


def test_selected_rows_of_tokens_keep_their_tags() -> None:
    chosen = PER_TOKEN.select([2, 1, 0])
    assert chosen.values.tolist() == [*VALUES[5:], *VALUES[:5]]
    assert chosen.offsets is not None
    assert chosen.offsets.tolist() == [0, 3, 3, 8]
    assert chosen.tags == PER_TOKEN.tags


def test_answers_are_given_only_where_it_counts() -> None:
    outputs = np.eye(3)[[2, 2, 1, 0, 0, 1, 1, 1]]
    answers = PER_TOKEN.answered_by(outputs)
    assert answers.values.tolist() == [IGNORED, 2, IGNORED, 0, IGNORED, IGNORED, 1, IGNORED]
    assert (answers.offsets, answers.tags) == (PER_TOKEN.offsets, PER_TOKEN.tags)
    assert answers.values.dtype == np.int64
    with pytest.raises(BorderError, match=r"expected logits \[8, classes\], found \(3, 3\)"):
        PER_TOKEN.answered_by(outputs[:3])


@pytest.mark.parametrize(
    ("values", "offsets", "message"),
    [
        (np.zeros(3, dtype=np.int32), None, r"flat int64 or float64 values, found int32 \(3,\)"),
        (np.zeros((3, 2)), None, r"flat int64 or float64 values, found float64 \(3, 2\)"),
        (np.zeros(3), np.array([0, 3]), r"expected int64 values and offsets, found float64"),
        (np.zeros(3, dtype=np.int64), np.array([0, 2]), r"never fall and end at 3"),
        (np.zeros(3, dtype=np.int64), np.array([0, 2, 1, 3]), r"never fall and end at 3"),
    ],
)
def test_what_does_not_fit_is_refused(values: np.ndarray, offsets: np.ndarray | None, message: str) -> None:
    with pytest.raises(BorderError, match=message):
        Targets(values, offsets)
