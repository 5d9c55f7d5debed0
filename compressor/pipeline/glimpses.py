"""How good a student is while it is trained: its metric on some selection rows, at checkpoints."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
from safetensors.torch import load_file

from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.pipeline.workbench import Workbench
from compressor.tasks import get_metric, points
from compressor.train import Job
from compressor.train.flat import FlatParameters

ROWS = 256
SHARE = 0.01  # of the time of a training, at most; the first look comes whatever it takes


class Glimpses:
    """Looks at one training.

    Args:
        bench: Has the rows and the metric.
        job: The training of an encoder.
        checkpoint: Where it is saved now and then.
        clock: Seconds.
    """

    def __init__(
        self, bench: Workbench, job: Job, checkpoint: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bench, self._job, self._checkpoint, self._clock = bench, job, checkpoint, clock
        self._begin, self._spent = clock(), 0.0
        self._seen = 0  # time of the last checkpoint that was looked at, nanoseconds
        self._words = ""

    def words(self) -> str:
        """For a line of progress, ", accuracy 91.4 so far"; empty until there is a checkpoint."""
        saved = self._checkpoint.stat().st_mtime_ns if self._checkpoint.exists() else 0
        begin = self._clock()
        if saved > self._seen and self._spent <= SHARE * (begin - self._begin):
            self._seen = saved
            with suppress(BorderError):  # outputs that are not finite: the training goes back by itself
                self._words = f", {self._bench.data.spec.metric} {self._points():.1f} so far"
            self._spent += self._clock() - begin
        return self._words

    def _points(self) -> float:
        bench = self._bench
        setup = self._job.setup()
        FlatParameters(setup.model).read_from(load_file(self._checkpoint)["values"])
        model = cast(Encoder, setup.model if setup.result is None else setup.result)
        rows = np.arange(min(ROWS, len(bench.selection.tokens)))
        outputs = bench.fp32_outputs(model.eval().emit(), bench.selection.tokens.select(rows))
        return points(get_metric(bench.data.spec.metric)(outputs, bench.selection_targets.select(rows)))
