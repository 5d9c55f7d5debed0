"""How long a promise has to be measured before anything can be proven."""

import pytest
from scipy.stats import beta

from compressor.records.promise import (
    HIGHEST_PERCENTILE,
    LONGEST_LOOK_SECONDS,
    LOOK_CONFIDENCE,
    LOOKS,
    UNSEEN_BURST_SECONDS,
    Budget,
    look_seconds,
)


@pytest.mark.parametrize("percentile", [50.0, 90.0, 95.0, 99.0, HIGHEST_PERCENTILE])
def test_a_look_without_a_slow_run_proves_the_promise_and_a_fifth_less_does_not(percentile: float) -> None:
    runs = look_seconds(percentile) / UNSEEN_BURST_SECONDS
    lowest = [beta.ppf(1 - LOOK_CONFIDENCE, share * runs, 1) for share in (1.0, 0.8)]  # Clopper-Pearson, all within
    assert lowest[0] > percentile / 100 > lowest[1]


def test_all_looks_together_are_wrong_in_one_case_of_a_hundred() -> None:
    assert pytest.approx(0.01) == LOOKS * (1 - LOOK_CONFIDENCE)


def test_the_highest_percentile_is_the_last_whose_look_comes_to_its_end() -> None:
    assert look_seconds(HIGHEST_PERCENTILE) <= LONGEST_LOOK_SECONDS < look_seconds(HIGHEST_PERCENTILE + 0.1)
    assert Budget(percentile=HIGHEST_PERCENTILE).percentile == HIGHEST_PERCENTILE
