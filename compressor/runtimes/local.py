"""This machine as a device: its CPU, driven by ONNX Runtime or OpenVINO; fresh processes for what is promised."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UnavailableError
from compressor.profiles import check_threads, fingerprint, last_level_cache_bytes, usable_threads
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.base import Clock, Engine, Feeds
from compressor.runtimes.fresh import fresh_processes
from compressor.runtimes.samples import Samples

YARDSTICK_ROUNDS = 160
LINE_BYTES, LINE_NUMBERS, PIECE_LINES = 64, 8, 4096  # a cache line, the float64 numbers in it
WORKER = "compressor.runtimes.worker"
OPENVINO = "openvino"


class LocalDevice:
    """The CPU that this process runs on."""

    runtime: str = onnxruntime_cpu.RUNTIME

    @property
    def clock(self) -> Clock:
        """See `Device`."""
        return time.perf_counter_ns

    @property
    def shared(self) -> bool:
        """See `Device`."""
        return bool(fingerprint().virtualised)

    def yardstick(self) -> object:
        """About 50 us of single-threaded arithmetic on a few bytes, so that only the speed of the core counts.

        What it reads must not depend on what ran before: a block of 64 KiB was 20 % slower behind a large model.
        """
        return hashlib.pbkdf2_hmac("sha256", b"yardstick", b"", YARDSTICK_ROUNDS)

    def memory_yardstick(self) -> object:
        """Every cache line of a quarter of the last cache, in random order; in about 0.2 ms.

        In order, the processor would fetch ahead and not show where the lines come from.
        """
        for lines, read in self._scattered:
            self._ballast.take(lines, out=read, mode="clip")
        return None

    @cached_property
    def _scattered(self) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Indices of lines in pieces whose results stay in the first cache, and room for the results."""
        lines = LINE_NUMBERS * np.random.default_rng(0).permutation(last_level_cache_bytes() // 4 // LINE_BYTES)
        pieces = np.array_split(lines, max(1, lines.size // PIECE_LINES))
        return [(piece, np.empty(piece.size)) for piece in pieces]

    def evict(self) -> object:
        """Read twice as much as the caches hold."""
        return self._ballast.sum()

    @cached_property
    def _ballast(self) -> NDArray[np.float64]:
        return np.ones(2 * last_level_cache_bytes() // 8)

    @property
    def static(self) -> bool:
        """See `Device`."""
        return _has_openvino()

    def runtime_of(self, options: CompileOptions) -> str:
        """See `Device`."""
        return _openvino().RUNTIME if options.runtime == OPENVINO else self.runtime

    def option_variants(self, threads: int, precision: Precision | None = None) -> tuple[CompileOptions, ...]:
        """See `Device`; OpenVINO has no kernels for products that are quantised at run time."""
        plain = onnxruntime_cpu.option_variants(threads)
        if precision is Precision.INT8 or not _has_openvino():
            return plain
        return (*plain, CompileOptions(threads, runtime=OPENVINO))

    def compile(self, model: bytes | Path, options: CompileOptions) -> Engine:
        """See `Device`."""
        check_threads(options.threads, usable_threads())
        if options.runtime == OPENVINO:
            return _openvino().compile_model(model, options)  # type: ignore[no-any-return]
        return onnxruntime_cpu.compile_model(model, options)

    def save_engine(self, model: bytes, options: CompileOptions, path: Path) -> CompileOptions:
        """See `Device`; OpenVINO's optimiser runs when a file is loaded."""
        check_threads(options.threads, usable_threads())
        if options.runtime == OPENVINO:
            path.write_bytes(model)
            return options
        onnxruntime_cpu.compile_model(model, options, save=path)
        return CompileOptions(options.threads, optimise=False)

    def kernels(self, engine: Path, options: CompileOptions) -> dict[str, int]:
        """See `Device`."""
        if options.runtime == OPENVINO:
            return _openvino().kernels(engine, options)  # type: ignore[no-any-return]
        return onnxruntime_cpu.kernels(engine)

    def fresh_samples(
        self, model: Path, feeds: Sequence[Feeds], options: CompileOptions, *, seconds: float, processes: int
    ) -> list[Samples]:
        """See `Device`."""
        check_threads(options.threads, usable_threads())
        spec = {"model": str(model.resolve()), "options": asdict(options), "seconds": seconds / processes}
        return fresh_processes(WORKER, spec, feeds, processes=processes)


@cache
def _has_openvino() -> bool:
    """It is installed, and can be loaded."""
    try:
        _openvino()
    except UnavailableError:
        return False
    return True


def _openvino() -> ModuleType:
    """The adapter, which is imported only where it is used.

    Raises:
        UnavailableError: The runtime is not installed, or its libraries cannot be loaded.
    """
    try:
        from compressor.runtimes import openvino_cpu
    except ImportError as error:
        raise UnavailableError(
            f"this engine runs in OpenVINO, which cannot be loaded ({error}): pip install 'compressor[openvino]'"
        ) from error
    return openvino_cpu
