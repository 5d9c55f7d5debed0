"""What a device is to the rest of the project: something that compiles a graph, runs it and tells the time.

Life of a device: `compile` as often as wanted (candidates, tables), `save_engine` once per finished candidate, then
`fresh_samples` on the saved file, in processes that have seen nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.samples import Samples

Feeds = Mapping[str, NDArray[Any]]
Clock = Callable[[], int]  # nanoseconds, monotonic
# Roles of kernels.
INT8_PRODUCT, FLOAT_PRODUCT, NORM, ACTIVATION, SOFTMAX = "int8 product", "product", "norm", "activation", "softmax"


class Engine(Protocol):
    """A compiled graph."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the graph's inputs, in order."""

    def run(self, feeds: Feeds) -> NDArray[np.float32]:
        """Host inputs, int64 [batch, length] each, to the host output `logits`.

        float32 [batch, classes], or [batch, length, classes] of a model that answers per token.
        """


class Device(Protocol):
    """A runtime on a machine, with a clock."""

    runtime: str

    @property
    def clock(self) -> Clock:
        """Nanoseconds, monotonic."""

    @property
    def shared(self) -> bool:
        """Others may slow it down at any time, as on a virtual machine."""

    def yardstick(self) -> object:
        """A fixed piece of work, to tell a disturbed stretch of time from a quiet one."""

    def memory_yardstick(self) -> object:
        """A fixed piece of work that reads what should be in the last cache, to tell when others use it too."""

    def evict(self) -> object:
        """Push everything out of the processor's caches, so that the next run reads its weights from memory."""

    @property
    def static(self) -> bool:
        """It has a runtime that is fastest with activations quantised by constants."""

    def runtime_of(self, options: CompileOptions) -> str:
        """Name and version of what runs a graph that is compiled in this way."""

    def option_variants(self, threads: int, precision: Precision | None = None) -> tuple[CompileOptions, ...]:
        """The compile options worth measuring of a graph in a precision, or in any."""

    def compile(self, model: bytes | Path, options: CompileOptions) -> Engine:
        """A serialised ONNX model, or the path of one, compiled and ready.

        Raises:
            InputError: More threads than this process may use at once.
            UnavailableError: The runtime refuses the graph or would run it elsewhere.
        """

    def save_engine(self, model: bytes, options: CompileOptions, path: Path) -> CompileOptions:
        """Write the graph as the runtime's optimiser leaves it; returns the options to load it with."""

    def kernels(self, engine: Path, options: CompileOptions) -> dict[str, int]:
        """How many kernels of each role a saved engine runs; without roles that the runtime does not tell."""

    def fresh_samples(
        self, model: Path, feeds: Sequence[Feeds], options: CompileOptions, *, seconds: float, processes: int
    ) -> list[Samples]:
        """Raw times of consecutive runs with their yardstick, one record per fresh process, `seconds` in all.

        Raises:
            InputError: More threads than this process may use at once.
            ResourceError: A process was killed, as the system does when memory runs out.
            UnavailableError: A process failed or died, the clock went backwards, or CPUs were taken away.
        """
