"""What the training loop is given: the model, its loss and the data, set up anew in every rank."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.train.order import DataOrder


class Step(Protocol):
    """Loss of some rows: (model, row numbers) -> the SUM of the rows' losses, a scalar."""

    def __call__(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        """Compute it."""


@dataclass(frozen=True, eq=False)
class Setup:
    """A model that is ready to be trained; parameters without `requires_grad` stay as they are.

    Attributes:
        model: What is trained.
        step: Its loss.
        order: Which rows are in which step.
        inner: The part of the model whose products may be rounded to bfloat16; not what its outputs are read from.
        result: The part of the model that is kept when the training is done; None = all of it.
        later: The loss at a share of the training in [0, 1), where it is not the same all the time; None = it is.
    """

    model: nn.Module
    step: Step
    order: DataOrder
    inner: nn.Module | None = None
    result: nn.Module | None = None
    later: Callable[[float], Step] | None = None

    def step_at(self, progress: float) -> Step:
        """The loss at a share of the training in [0, 1)."""
        return self.step if self.later is None else self.later(progress)


class Job(Protocol):
    """A training as a small value that can be sent to another process; big things travel as paths."""

    def setup(self) -> Setup:
        """Called once in every rank."""
