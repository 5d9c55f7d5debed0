"""The order of elimination against fits that start from nothing for every unit that might go."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from compressor.score.elimination import elimination_order
from compressor.score.refitting import Moments, ridge_of

Matrix = NDArray[np.float64]
TOKENS, HIDDEN = 300, 6


def correlated(units: int, seed: int) -> Matrix:
    """What a projection reads [tokens, units], far from independent and with a mean."""
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(TOKENS, 5)) @ random.normal(size=(5, units))
        + 0.5 * random.normal(size=(TOKENS, units))
        + random.normal(size=units)
    )


def curvature(seed: int) -> Matrix:
    factor = np.random.default_rng(seed).normal(size=(HIDDEN, HIDDEN)) * np.geomspace(1, 30, HIDDEN)
    return factor @ factor.T


def moments_of(read: Matrix) -> Moments:
    moments = Moments(read.shape[1])
    moments.add(torch.from_numpy(read.astype(np.float32)))
    return moments


def lost(read: Matrix, weight: Matrix, columns: list[int], ridge: float, metric: Matrix) -> float:
    """Least weighted error of a fit that has only some of the columns, and a bias."""
    centred = read - read.mean(0)
    whole = np.concatenate([centred, np.sqrt(ridge) * np.eye(read.shape[1])])
    fit = np.linalg.lstsq(whole[:, columns], whole @ weight.T, rcond=None)[0]
    error = whole[:, columns] @ fit - whole @ weight.T
    return float(np.einsum("th,hg,tg->", error, metric, error))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 3])
def test_each_unit_that_goes_is_the_one_that_costs_least(size: int, seed: int) -> None:
    units = 12 // size
    read, metric = correlated(12, seed), curvature(seed)
    weight = np.random.default_rng(seed + 50).normal(size=(HIDDEN, 12))
    moments = moments_of(read)
    found = elimination_order(torch.from_numpy(weight).float(), moments, torch.from_numpy(metric), size=size)
    assert sorted(found) == list(range(units))
    ridge, left = float(ridge_of(moments.of_units)), list(range(units))
    while len(left) > 1:
        after = {
            unit: lost(read, weight, [u * size + i for u in left if u != unit for i in range(size)], ridge, metric)
            for unit in left
        }
        gone = found[len(left) - 1]
        assert after[gone] == pytest.approx(min(after.values()), rel=1e-3)
        left.remove(gone)


def test_errors_that_nobody_sees_do_not_count() -> None:
    weight = torch.zeros(HIDDEN, 4)
    weight[0, :2], weight[1, 2:] = 0.1, 100.0  # only channel 0 matters
    metric = torch.zeros(HIDDEN, HIDDEN).double()
    metric[0, 0] = 1.0
    read = np.random.default_rng(0).normal(size=(TOKENS, 4))
    assert set(elimination_order(weight, moments_of(read), metric)[:2]) == {0, 1}
    metric[1, 1] = 1.0
    assert set(elimination_order(weight, moments_of(read), metric)[:2]) == {2, 3}


def test_a_unit_with_a_twin_goes_before_one_without() -> None:
    read = np.random.default_rng(1).normal(size=(TOKENS, 4))
    read[:, 3] = read[:, 0]
    weight = torch.eye(HIDDEN)[:, :4] * torch.tensor([3.0, 1.0, 1.0, 3.0])
    order = elimination_order(weight, moments_of(read), torch.eye(HIDDEN).double())
    assert order[-1] in (0, 3)
    assert order[0] in (0, 3)  # the one that is left does the work of both


def test_many_neurons_are_ordered_in_few_steps_as_well_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    read, metric = correlated(256, 3), curvature(3)
    weight = np.random.default_rng(3).normal(size=(HIDDEN, 256)) * np.geomspace(0.1, 10, 256)
    arguments = torch.from_numpy(weight).float(), moments_of(read), torch.from_numpy(metric)
    together = elimination_order(*arguments)
    monkeypatch.setattr("compressor.score.elimination.PARTS", 256)
    singly = elimination_order(*arguments)
    ridge = float(ridge_of(arguments[1].of_units))
    for count in (32, 128):
        losses = [lost(read, weight, sorted(order[:count]), ridge, metric) for order in (together, singly)]
        assert losses[0] < 1.3 * losses[1]
