"""What the ranks of a training share: vectors in memory, the parts of a batch, and places to meet.

| vector | shape | written by |
| --- | --- | --- |
| values | [size] | each rank its share |
| gradients | [parts, size] | the rank that computes the part |
| moments | [2, size], of Adam | each rank its share |
| losses | [parts] | the rank that computes the part |
| norms | [ranks], squared, of the summed gradient | each rank one |

A rank that others slow down takes fewer parts. What comes out does not depend on who took which, as every rank sums
its share of all parts in their order.
"""

import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

FLOAT_BYTES, DOUBLE_BYTES = 4, 8
LINE_BYTES = 64  # of a cache


@dataclass(frozen=True, eq=False)
class Workspace:
    """The vectors; see above."""

    values: Tensor
    gradients: Tensor
    moments: Tensor
    losses: Tensor
    norms: Tensor

    @classmethod
    def over(cls, memory: Any, size: int, parts: int, ranks: int) -> "Workspace":
        """Lay the vectors out over a writable buffer of `workspace_bytes`."""
        doubles = torch.frombuffer(memory, dtype=torch.float64, count=parts + ranks)
        floats = torch.frombuffer(
            memory, dtype=torch.float32, count=(parts + 3) * size, offset=_scalar_bytes(parts, ranks)
        )
        values, moments, gradients = torch.split(floats, [size, 2 * size, parts * size])
        losses, norms = torch.split(doubles, [parts, ranks])
        return cls(values, gradients.view(parts, size), moments.view(2, size), losses, norms)


def workspace_bytes(size: int, parts: int, ranks: int) -> int:
    """Bytes of a workspace."""
    return _scalar_bytes(parts, ranks) + FLOAT_BYTES * (parts + 3) * size


def _scalar_bytes(parts: int, ranks: int) -> int:
    return math.ceil(DOUBLE_BYTES * (parts + ranks) / LINE_BYTES) * LINE_BYTES


class Team(Protocol):
    """The ranks of a training, as one of them sees them."""

    @property
    def rank(self) -> int:
        """Which one this is."""

    @property
    def ranks(self) -> int:
        """How many there are."""

    def workspace(self, size: int, parts: int) -> Workspace:
        """The shared vectors, zero at first."""

    def parts(self, turn: int, parts: int) -> Iterator[int]:
        """Parts of a batch that this rank shall compute; turns are counted from 0."""

    def meet(self) -> None:
        """Wait until all are here; what they wrote before can then be read."""


@dataclass(frozen=True)
class Alone:
    """A team of one.

    Attributes:
        most_parts: Parts that are computed of every batch; None = all. With fewer it is a measurement.
    """

    most_parts: int | None = None
    rank: int = 0
    ranks: int = 1

    def workspace(self, size: int, parts: int) -> Workspace:
        """See `Team`."""
        return Workspace.over(bytearray(workspace_bytes(size, parts, 1)), size, parts, 1)

    def parts(self, turn: int, parts: int) -> Iterator[int]:
        """See `Team`."""
        yield from range(parts if self.most_parts is None else min(parts, self.most_parts))

    def meet(self) -> None:
        """See `Team`."""


@dataclass(frozen=True, eq=False)
class Processes:
    """A team of processes on one machine.

    Attributes:
        rank: Which one this is.
        ranks: How many there are.
        memory: File that they map, from `memory_file`.
        taken: Shared count of the parts that were taken in all turns.
        barrier: Where they meet.
    """

    rank: int
    ranks: int
    memory: Path
    taken: Any
    barrier: Any

    def workspace(self, size: int, parts: int) -> Workspace:
        """See `Team`."""
        length = workspace_bytes(size, parts, self.ranks)
        with self.memory.open("r+b") as file:
            os.ftruncate(file.fileno(), length)  # by every rank to the same length: only the first one does anything
            mapped = mmap.mmap(file.fileno(), length)
        return Workspace.over(mapped, size, parts, self.ranks)

    def parts(self, turn: int, parts: int) -> Iterator[int]:
        """See `Team`."""
        while True:
            with self.taken.get_lock():
                part = self.taken.value - turn * parts
                if part >= parts:
                    return
                self.taken.value += 1
            yield int(part)

    def meet(self) -> None:
        """See `Team`."""
        self.barrier.wait()


@contextmanager
def memory_file() -> Iterator[Path]:
    """A file that lives in memory, for the processes of this one; where there is none, one on disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("compressor-training")  # not /dev/shm, which has 64 MB in a container
        try:
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(prefix="compressor-") as file:
        yield Path(file.name)


def share_of(size: int, rank: int, ranks: int) -> slice:
    """The part of a vector that a rank sums and updates."""
    return slice(math.ceil(size * rank / ranks), math.ceil(size * (rank + 1) / ranks))
