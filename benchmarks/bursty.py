"""A device whose times are noise of a known law, so that the truth behind every measurement can be computed.

    time of a run = base x process offset x jitter x (burst factor while the machine is in a burst, else 1)

Offset and jitter are log-normal. Quiet stretches and bursts alternate as a Markov chain from run to run: a run of t
seconds ends a burst of mean length L with probability 1 - exp(-t / L), and a quiet stretch likewise.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from compressor.runtimes.distributions import root
from compressor.runtimes.fake import YARDSTICK_NS, FakeDevice
from compressor.runtimes.samples import STRETCH_RUNS, Samples


@dataclass(frozen=True)
class Noise:
    """What disturbs the runs of an engine.

    Attributes:
        jitter: Standard deviation of the logarithm of a run's time.
        offset: Standard deviation of the logarithm of what all runs of a process share.
        burst_share: Share of the time in bursts, in [0, 1).
        burst_factor: Times that a run takes longer in a burst.
        burst_seconds: Mean length of a burst.
    """

    jitter: float
    offset: float = 0.0
    burst_share: float = 0.0
    burst_factor: float = 1.0
    burst_seconds: float = 0.2


class BurstyDevice(FakeDevice):
    """An engine of a known base time under noise; needs no graph.

    Args:
        base_ns: A quiet run.
        noise: What disturbs it.
        random: Source of the noise.
    """

    def __init__(self, base_ns: float, noise: Noise, random: np.random.Generator) -> None:
        super().__init__()
        self._base_ns, self._law, self._rng = base_ns, noise, random
        seconds = base_ns / 1e9
        quiet_seconds = noise.burst_seconds * (1 - noise.burst_share) / max(noise.burst_share, 1e-12)
        self._leave = -math.expm1(-noise.burst_factor * seconds / noise.burst_seconds)
        self._enter = -math.expm1(-seconds / quiet_seconds) if noise.burst_share else 0.0

    @property
    def slow_share(self) -> float:
        """Share of the runs, not of the time, that are in a burst in the long run."""
        return self._enter / (self._enter + self._leave)

    def share_within(self, limit_ns: float) -> float:
        """Share of runs that take at most the limit, in the long run and over all processes."""
        spread = NormalDist(0.0, math.hypot(self._law.jitter, self._law.offset))
        quiet, slow = (spread.cdf(math.log(limit_ns / self._base_ns / f)) for f in (1.0, self._law.burst_factor))
        return (1 - self.slow_share) * quiet + self.slow_share * slow

    def percentile_ns(self, percent: float) -> float:
        """The time that this share of runs does not exceed, in the long run."""
        longest = 4 * self._law.burst_factor * self._base_ns
        return longest * root(lambda x: (self.share_within(longest * x) if x > 0 else 0.0) - percent / 100)

    def fresh_samples(
        self,
        model: object,
        feeds: object,
        options: object,
        *,
        seconds: float,
        processes: int,
        progress: object = None,
    ) -> list[Samples]:
        """See `Device`; only the law of the noise decides."""
        return [self._process(seconds / processes) for _ in range(processes)]

    def _process(self, seconds: float) -> Samples:
        runs = math.ceil(1.2 * seconds * 1e9 / self._base_ns / STRETCH_RUNS) * STRETCH_RUNS
        factor = np.where(self._in_burst(runs), self._law.burst_factor, 1.0)
        logs = self._law.jitter * self._rng.standard_normal(runs) + self._law.offset * self._rng.standard_normal()
        times = (self._base_ns * factor * np.exp(logs)).astype(np.int64)
        stretches = max(1, int((np.cumsum(times) < seconds * 1e9).sum()) // STRETCH_RUNS)
        yardstick = (YARDSTICK_NS * factor[::STRETCH_RUNS]).astype(np.int64)[:stretches]
        times = times[: stretches * STRETCH_RUNS]
        self.clock.advance(int(times.sum() + yardstick.sum()))
        return Samples(times, yardstick)

    def _in_burst(self, runs: int) -> NDArray[np.bool_]:
        """Which of consecutive runs are in a burst, from the long-run law on, [runs]."""
        if not self._enter:
            return np.zeros(runs, dtype=np.bool_)
        first = bool(self._rng.random() < self.slow_share)
        ends = (self._leave, self._enter) if first else (self._enter, self._leave)
        lengths: list[int] = []
        while sum(lengths) < runs:
            lengths += [int(self._rng.geometric(end)) for end in ends]
        states = np.arange(len(lengths)) % 2 == (0 if first else 1)
        return np.repeat(states, lengths)[:runs]
