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

On accelerators nothing is shared: every rank has the vectors on a device of its own, takes the same parts of every
batch, sums them with the others over the wire, and updates all parameters (`Devices`).
"""

import math
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
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
    def on(cls, device: torch.device, size: int, parts: int, ranks: int) -> "Workspace":
        """Vectors of zeros on a device."""
        shapes = ((size,), (parts, size), (2, size))
        values, gradients, moments = (torch.zeros(shape, device=device) for shape in shapes)
        losses, norms = (torch.zeros(count, dtype=torch.float64, device=device) for count in (parts, ranks))
        return cls(values, gradients, moments, losses, norms)

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

    @property
    def device(self) -> torch.device:
        """Where this rank computes."""

    @property
    def shared(self) -> bool:
        """All ranks see the same vectors."""

    def workspace(self, size: int, parts: int) -> Workspace:
        """The vectors, zero at first."""

    def share(self, size: int) -> slice:
        """The part of a vector that this rank sums and updates."""

    def parts(self, turn: int, parts: int) -> Iterator[int]:
        """Parts of a batch that this rank shall compute; turns are counted from 0."""

    def sum_parts(self, space: Workspace, own: Sequence[int], gradient: Tensor) -> None:
        """Sum this rank's share of the gradients of all parts; the losses of all parts can be read then.

        Args:
            space: The vectors.
            own: Parts that this rank has computed.
            gradient: Where the sum goes, [share].
        """

    def meet(self) -> None:
        """Wait until all are here; what they wrote before can then be read."""


CPU = torch.device("cpu")


def sum_in_order(parts: Tensor, gradient: Tensor) -> None:
    """Sum of the rows of `parts` [parts, share], always in the same order, into `gradient` [share]."""
    gradient.copy_(parts[0])
    for part in parts[1:]:
        gradient.add_(part)


@dataclass(frozen=True)
class Alone:
    """A team of one.

    Attributes:
        most_parts: Parts that are computed of every batch; None = all. With fewer it is a measurement.
        device: Where it computes.
    """

    most_parts: int | None = None
    device: torch.device = CPU
    rank: int = 0
    ranks: int = 1
    shared: bool = False

    def workspace(self, size: int, parts: int) -> Workspace:
        """See `Team`."""
        return Workspace.on(self.device, size, parts, 1)

    def share(self, size: int) -> slice:
        """See `Team`."""
        return slice(0, size)

    def parts(self, turn: int, parts: int) -> Iterator[int]:
        """See `Team`."""
        yield from range(parts if self.most_parts is None else min(parts, self.most_parts))

    def sum_parts(self, space: Workspace, own: Sequence[int], gradient: Tensor) -> None:
        """See `Team`."""
        sum_in_order(space.gradients, gradient)

    def meet(self) -> None:
        """See `Team`."""


@dataclass(frozen=True)
class Devices:
    """A team of processes with an accelerator each, that exchange sums through `torch.distributed`.

    The group of processes has to be there (`torch.distributed.init_process_group`): nccl between GPUs.

    Attributes:
        rank: Which one this is.
        ranks: How many there are.
        device: That of this rank.
    """

    rank: int
    ranks: int
    device: torch.device
    shared: bool = False

    def workspace(self, size: int, parts: int) -> Workspace:
        """See `Team`."""
        return Workspace.on(self.device, size, parts, self.ranks)

    def share(self, size: int) -> slice:
        """See `Team`: all of it, so that nothing but the sums goes over the wire."""
        return slice(0, size)

    def parts(self, turn: int, parts: int) -> Iterator[int]:
        """See `Team`: the same in every turn."""
        yield from range(self.rank, parts, self.ranks)

    def sum_parts(self, space: Workspace, own: Sequence[int], gradient: Tensor) -> None:
        """See `Team`."""
        sum_in_order(space.gradients[list(own)], gradient)
        others = [part for part in range(len(space.losses)) if part not in own]
        space.losses[others] = 0.0
        torch.distributed.all_reduce(gradient)
        torch.distributed.all_reduce(space.losses)

    def meet(self) -> None:
        """See `Team`: nothing is shared, and a sum waits for all."""


@dataclass(frozen=True, eq=False)
class Processes:
    """A team of processes on one machine that share memory.

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
    device: torch.device = CPU
    shared: bool = True

    def share(self, size: int) -> slice:
        """See `Team`."""
        return share_of(size, self.rank, self.ranks)

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

    def sum_parts(self, space: Workspace, own: Sequence[int], gradient: Tensor) -> None:
        """See `Team`."""
        self.meet()
        sum_in_order(space.gradients[:, self.share(space.values.numel())], gradient)

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
