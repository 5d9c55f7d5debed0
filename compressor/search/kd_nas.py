"""KD-NAS (Trivedi et al. 2023, arXiv 2303.09639): a learned controller says which shapes are worth a distillation.

    episode: predict the reward of every feasible shape; distil the most promising and one at random on a proxy set;
             learn from what came out

The reward is minus the logarithm of the student's divergence from its teacher; latency is no part of it, since nothing
over the limit is ever looked at. The controller is a few small networks that begin differently: their spread is how
little is known of a shape, and counts in its favour (an upper confidence bound), so that an episode does not only
confirm the one before. The paper leaves the controller open; this one is ours.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.search.features import features
from compressor.search.macro import Point, Shape

FIRST, PROMISING, AT_RANDOM = 6, 3, 1  # of the first episode at random, then of every one
CURIOSITY = 1.0  # standard deviations
NETWORKS, WIDTH, STEPS, RATE = 5, 24, 150, 2e-2

Floats = NDArray[np.float64]


def kd_nas(
    points: Sequence[Point],
    evaluate: Callable[[Shape], float],
    more: Callable[[int], bool],
    random: np.random.Generator,
) -> Mapping[Shape, float]:
    """See `EpisodicSearch`."""
    tried: dict[Shape, float] = {}
    inputs = features([point.shape for point in points])
    while len(tried) < len(points):
        for place in _episode(points, inputs, tried, random):
            if tried and not more(len(tried)):
                return tried
            shape = points[place].shape
            tried[shape] = evaluate(shape)
    return tried


def _episode(
    points: Sequence[Point], inputs: Floats, tried: Mapping[Shape, float], random: np.random.Generator
) -> list[int]:
    """Places of the shapes that are distilled next."""
    left = [place for place, point in enumerate(points) if point.shape not in tried]
    if len(tried) < FIRST:
        return [int(place) for place in random.permutation(left)[: FIRST - len(tried)]]
    known = [place for place, point in enumerate(points) if point.shape in tried]
    rewards = np.array([-np.log(max(tried[points[place].shape], 1e-12)) for place in known])
    mean, spread = Controller(inputs[known], rewards, seed=int(random.integers(2**31)))(inputs[left])
    order = [left[place] for place in np.argsort(-(mean + CURIOSITY * spread), kind="stable")]
    others = [int(place) for place in random.permutation(order[PROMISING:])[:AT_RANDOM]]
    return [*order[:PROMISING], *others]


class Controller:
    """Predicts rewards, and how sure it is.

    Args:
        inputs: Of what was tried, [tried, features].
        rewards: What came out, [tried].
        seed: Of the networks' first weights and of the rows that each of them learns from.
    """

    def __init__(self, inputs: Floats, rewards: Floats, *, seed: int) -> None:
        self._shift, self._scale = inputs.mean(0), inputs.std(0) + 1e-6
        self._mean, self._spread = float(rewards.mean()), float(rewards.std()) or 1.0
        x = self._tensor(inputs)
        y = torch.from_numpy((rewards - self._mean) / self._spread)
        generator = torch.Generator().manual_seed(seed)
        self._networks = [_fitted(x, y, generator) for _ in range(NETWORKS)]

    def __call__(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the networks' predictions, [rows] each."""
        with torch.inference_mode():
            found = torch.stack([network(self._tensor(inputs))[:, 0] for network in self._networks]).numpy()
        return self._mean + self._spread * found.mean(0), self._spread * found.std(0)

    def _tensor(self, inputs: Floats) -> Tensor:
        return torch.from_numpy((inputs - self._shift) / self._scale)


def _fitted(x: Tensor, y: Tensor, generator: torch.Generator) -> nn.Module:
    """One network, trained on a bootstrap sample."""
    network = nn.Sequential(nn.Linear(x.shape[1], WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            scale = parameter.shape[-1] ** -0.5
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    rows = torch.randint(len(y), (len(y),), generator=generator)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    for _ in range(STEPS):
        optimiser.zero_grad()
        (network(x[rows])[:, 0] - y[rows]).square().mean().backward()
        optimiser.step()
    return network
