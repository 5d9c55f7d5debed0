"""A part of a batch through the model and back, in as many passes as memory needs.

    gradient of a part = sum over its passes of d(sum of the losses of the pass's rows)/dw

The loss of rows is a sum, so passes of any size add up to the same gradient. All rows go at once until memory runs
out; then half as many, and from there on always, in this process alone: others may have room for theirs.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compressor.errors import ResourceError
from compressor.profiles import is_out_of_memory
from compressor.records.training import TrainPlan

Note = Callable[[str], None]
Rows = NDArray[np.int64]


class Passes:
    """The passes of one rank.

    Args:
        step: Row numbers -> the SUM of the rows' losses, a scalar with a graph.
        plan: Of the training, for messages.
        note: Called when passes become smaller; every rank finds the same words for the same change.
    """

    def __init__(self, step: Callable[[Rows], Tensor], plan: TrainPlan, note: Note | None) -> None:
        self._step, self._plan, self._note = step, plan, note
        self._most = max(1, plan.batch // plan.parts_per_step)

    def loss(self, rows: Rows, gradient: Tensor) -> float:
        """Summed loss of rows; their gradient is left behind.

        Args:
            rows: Row numbers.
            gradient: Vector that the backward pass adds to; what it held is forgotten.

        Raises:
            ResourceError: Memory does not suffice for a single row.
        """
        while True:
            try:
                gradient.zero_()  # also of what a pass left that did not come to its end
                return sum(self._pass(some) for some in self._split(rows))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)

    def _pass(self, rows: Rows) -> float:
        loss = self._step(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _split(self, rows: Rows) -> Iterator[Rows]:
        for begin in range(0, len(rows), self._most):
            yield rows[begin : begin + self._most]

    def _halve(self, error: Exception) -> None:
        before = self._most
        if before == 1:
            raise ResourceError(
                f"memory ran out in training: expected room for a batch of {self._plan.batch} rows on "
                f"{self._plan.ranks} process(es), found too little even for one row at a time in each; end other "
                "programs, raise the limit of the container, use a machine with more memory, or give the run fewer "
                "cores, as each trains in a process of its own; what was trained until the last checkpoint is kept"
            ) from error
        self._most = (before + 1) // 2
        if self._note is not None:
            self._note(
                f"memory ran out with {before} rows at once: from here on {self._most} at once, and their gradients "
                f"are added up to the same batch of {self._plan.batch}, which takes longer"
            )
