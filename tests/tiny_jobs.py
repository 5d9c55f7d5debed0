"""Jobs for the training loop; in a module of their own, so that a rank in another process can import them."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.train import DataOrder, Setup

ROWS = 40


class Model(nn.Module):
    """Matrices and vectors, one of each frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.frozen = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.last = nn.Linear(8, 3)
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """[rows, 6] -> [rows, 3]."""
        result: Tensor = self.last(self.norm(torch.tanh(self.frozen(torch.tanh(self.first(x))))))
        return result


def data() -> tuple[Tensor, Tensor]:
    """Inputs [rows, 6] and targets [rows, 3]."""
    random = np.random.default_rng(5)
    x, y = random.normal(size=(ROWS, 6)), random.normal(size=(ROWS, 3)) * 3
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.float32))


# What too little memory raises, by who raises it.
SHORTAGES: dict[str, Callable[[], Exception]] = {
    "python": MemoryError,
    "torch": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    "torch on linux": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 1000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "torch elsewhere": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:81] data. DefaultCPUAllocator: not enough memory: you tried to allocate 1000 "
        "bytes."
    ),
    "library": lambda: RuntimeError("std::bad_alloc"),
}


@dataclass(frozen=True)
class Regression:
    """Least squares on random rows.

    Attributes:
        batch: Rows per step.
        seed: Of the data order.
        scale: Of the loss, so that the gradient is clipped or not.
        bad_row: The row whose loss fails; only one rank gets it in a step.
        fault: "raise", "kill" or a number that the loss is multiplied with.
        room: Rows that memory suffices for; None = any number.
        backward: Whether it does not suffice in the backward pass, when part of the gradient is written; else forward.
        shortage: What is raised then, a key of `SHORTAGES`.
        journal: File that gets a line for each part, the process that computes it; the first one to write is slow.
    """

    batch: int
    seed: int = 0
    scale: float = 1.0
    bad_row: int | None = None
    fault: str | float = "raise"
    room: int | None = None
    backward: bool = False
    shortage: str = "python"
    journal: Path | None = None

    def setup(self) -> Setup:
        """See `Job`."""
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = Model()
        return Setup(model, self._step, DataOrder(np.arange(ROWS), self.batch, self.seed))

    def _starve(self, gradient: Tensor) -> None:
        raise SHORTAGES[self.shortage]()

    def _step(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        if self.journal is not None:
            with self.journal.open("a+") as file:
                file.write(f"{os.getpid()}\n")
            if self.journal.read_text().split()[0] == str(os.getpid()):
                time.sleep(0.05)
        device = next(model.parameters()).device
        x, y = (every[rows].to(device) for every in data())
        if self.room is not None and len(rows) > self.room:
            if not self.backward:
                raise SHORTAGES[self.shortage]()
            x.requires_grad_().register_hook(self._starve)
        loss = self.scale * (model(x) - y).square().sum()
        if self.bad_row is not None and self.bad_row in rows:
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if isinstance(self.fault, str):
                raise ValueError("this rank has had enough")
            loss = loss * self.fault
        return loss
