"""The interval by which the benchmark of the frontier tells a gain from noise."""

import numpy as np

from benchmarks.frontier import SEEDS, least_difference


def test_nineteen_of_twenty_differences_of_equal_ways_are_within_the_interval() -> None:
    rng = np.random.default_rng(0)
    drops = rng.normal(1.0, 0.4, size=(20_000, 4, len(SEEDS)))
    first, second = drops[:, 0].mean(axis=1), drops[:, 1].mean(axis=1)
    within = np.abs(first - second) <= [least_difference(ways) for ways in drops]
    assert abs(within.mean() - 0.95) < 0.006


def test_differences_between_ways_do_not_widen_it() -> None:
    noise = [[-0.1, 0.0, 0.1]] * 4
    apart = [[value + shift for value in values] for shift, values in enumerate(noise)]
    assert abs(least_difference(apart) - least_difference(noise)) < 1e-12
