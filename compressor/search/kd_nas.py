"""KD-NAS (Trivedi et al. 2023, arXiv 2303.09639): a learned controller says which shapes are worth a distillation.

    episode: predict the reward of every feasible shape; distil the most promising and one at random on a proxy set;
             learn from what came out
    reward = log(quality x latency^w),   quality = 1 / divergence from the teacher

The form of the reward is MnasNet's (Tan et al. 2019, arXiv 1807.11626, eq. 2), whose target, the same for all, drops
out. Nothing over the limit is ever looked at, so the latency counts for little. It is known from the table: what the
controller has to learn is the quality. The controller is a few small networks that begin differently: their spread is
how little is known of a shape, and counts in its favour (an upper confidence bound), so that an episode does not only
confirm the one before. The paper leaves the controller open; this one is ours.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.search.features import features
from compressor.search.macro import Point, Shape

FIRST, PROMISING, AT_RANDOM = 3, 3, 1  # of the first episode at random, then of every one
CURIOSITY = 1.0  # standard deviations
LATENCY_WEIGHT = -0.06  # w
WORST = 2.0  # what diverged counts as so many times the worst of the others
LEAST_SPREAD = 1e-3  # of a feature: with less it never varied, and a difference in it is not to be blown up
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
    quality = log_quality([tried[points[place].shape] for place in known])
    mean, spread = Controller(inputs[known], quality, seed=int(random.integers(2**31)))(inputs[left])
    latency = np.log([points[place].predicted_us for place in left])
    reward = mean + CURIOSITY * spread + LATENCY_WEIGHT * latency
    order = [left[place] for place in np.argsort(-reward, kind="stable")]
    others = [int(place) for place in random.permutation(order[PROMISING:])[:AT_RANDOM]]
    return [*order[:PROMISING], *others]


def log_quality(divergences: Sequence[float]) -> Floats:
    """-log of divergences, of which those of trainings that diverged are infinite: finite all the same."""
    worst = WORST * max((found for found in divergences if np.isfinite(found)), default=1.0)
    found: Floats = -np.log(np.clip(np.array(divergences, dtype=np.float64), 1e-12, max(worst, 1e-12)))
    return found


class Controller:
    """Predicts the quality of shapes, and how sure it is.

    Args:
        inputs: Of what was tried, [tried, features].
        quality: What came out, [tried].
        seed: Of the networks' first weights and of the rows that each of them learns from.
    """

    def __init__(self, inputs: Floats, quality: Floats, *, seed: int) -> None:
        spread = inputs.std(0)
        self._shift, self._scale = inputs.mean(0), np.where(spread < LEAST_SPREAD, 1.0, spread)
        self._mean, self._spread = float(quality.mean()), float(quality.std()) or 1.0
        x = self._tensor(inputs)
        y = torch.from_numpy((quality - self._mean) / self._spread)
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
