"""Visits of one subject at different times: which count, and how sure their median is."""

import math

import pytest

from compressor.latency.disturbance import Disturbance
from compressor.latency.visits import Visit, Visits
from compressor.records.latency import Measured
from compressor.runtimes.fake import FakeDevice


def visits(*found: Visit) -> Visits:
    result = Visits(Disturbance(FakeDevice()))
    for visit in found:
        result.add(visit)
    return result


def at(value: float, error: float = 0.0, *, excess: float = 0.0, strain: float = 1.0) -> Visit:
    return Visit(Measured(value, error, 10), excess, strain)


def test_the_median_of_the_visits_counts_and_their_spread_is_in_the_error() -> None:
    found = visits(at(100), at(104), at(300)).measured
    assert found.value_us == 104
    assert found.samples == 30
    assert found.standard_error_us == pytest.approx(1.2533 * 1.4826 * 4 / math.sqrt(3))


def test_the_error_within_the_visits_is_there_even_where_they_agree() -> None:
    assert visits(at(100, 3), at(100, 4)).measured.standard_error_us == pytest.approx(2.5)


def test_the_quarter_that_came_at_the_worst_moments_is_left_out_whatever_it_says() -> None:
    calm = [at(100, strain=1), at(101, strain=2), at(99, strain=3)]
    assert visits(at(90, strain=9), *calm).measured.value_us == 100
    assert visits(at(90, strain=0.5), *calm).measured.value_us == 100  # now 99 is left out: 90, 100, 101
    assert visits(at(90, strain=9), *calm).measured.samples == 30


def test_disturbed_visits_count_only_where_there_are_no_others() -> None:
    assert visits(at(20, excess=0.1), at(10)).measured == Measured(10, 0, 10)
    both = visits(at(20, excess=0.1), at(20, excess=0.3))
    assert both.disturbed
    assert both.measured.standard_error_us == pytest.approx(0.2 * 20)
    assert not visits(at(20, excess=0.1), at(10)).disturbed
