"""Which rows are in which step: a pure function of the seed, so that a resumed training sees the same ones.

Every epoch shuffles all rows, sorts chunks of them by length, cuts the chunks into batches and shuffles those: batches
hold rows of similar length, and hardly any padding.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CHUNK_BATCHES = 64

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DataOrder:
    """Rows of every step.

    Args:
        lengths: Tokens of each row, int64 [rows].
        batch: Rows per step, over all ranks.
        seed: Of the shuffling.
    """

    lengths: Rows
    batch: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass; the rows left over come in other epochs."""
        return max(1, len(self.lengths) // self.batch)

    def rows(self, step: int, rank: int = 0, ranks: int = 1) -> Rows:
        """Rows that one rank works on in a step; every rank-th of the sorted batch, so that all have equal work."""
        epoch, position = divmod(step, self.steps_per_epoch)
        chosen: Rows = _epoch_batches(self, epoch)[position][rank::ranks]
        return chosen


@lru_cache(maxsize=2)
def _epoch_batches(order: DataOrder, epoch: int) -> Rows:
    """Batches of one epoch, [steps, batch]."""
    random = np.random.default_rng([order.seed, epoch])
    count = order.steps_per_epoch * order.batch
    shuffled = np.resize(random.permutation(len(order.lengths)), count)
    chunk = CHUNK_BATCHES * order.batch
    for start in range(0, count, chunk):
        part = shuffled[start : start + chunk]
        shuffled[start : start + chunk] = part[np.argsort(order.lengths[part], kind="stable")]
    batches: Rows = shuffled.reshape(order.steps_per_epoch, order.batch)
    mixed: Rows = batches[random.permutation(order.steps_per_epoch)]
    return mixed
