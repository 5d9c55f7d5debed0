"""A time budget without room for the least training, and the one that would have it."""

import re

import pytest

from compressor.distill.overdraft import overdraft_notes


@pytest.mark.parametrize("left_s", [30.0, 30.1, 1e6])
def test_a_training_that_fits_is_not_mentioned(left_s: float) -> None:
    assert overdraft_notes(30.0, left_s, share=0.23, time_budget_s=60.0) == ()


@pytest.mark.parametrize(
    ("left_s", "share", "time_budget_s", "left", "longer"),
    [
        (20.0, 0.5, 600.0, "20.0s", "20.0s"),  # what came before took too long: half of more is for the training
        (-40.0, 0.5, 600.0, "0.0s", "2m20s"),
        (13.8, 0.25, 60.0, "13.8s", "1m00s"),  # its share is too small: 30 s are a quarter of two minutes
    ],
)
def test_the_numbers_that_are_said(left_s: float, share: float, time_budget_s: float, left: str, longer: str) -> None:
    (note,) = overdraft_notes(30.0, left_s, share=share, time_budget_s=time_budget_s)
    found = re.fullmatch(
        r"the time budget is overdrawn: this training takes about 30.0s, the least that works, and (\S+) are left for "
        r"it; a --time-budget that is longer by (\S+) would be enough",
        note,
    )
    assert found is not None
    assert found.groups() == (left, longer)
