"""This machine as a device: ONNX Runtime on its CPU, fresh processes for what is promised."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from compressor.profiles import check_threads, fingerprint, usable_threads
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.base import Clock, Feeds
from compressor.runtimes.fresh import fresh_processes
from compressor.runtimes.samples import Samples

_YARDSTICK = bytes(64 * 1024)
WORKER = "compressor.runtimes.worker"


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
        """About 50 us of pure, single-threaded arithmetic in the first-level cache."""
        return hashlib.sha256(_YARDSTICK).digest()

    def option_variants(self, threads: int) -> tuple[CompileOptions, ...]:
        """See `Device`."""
        return onnxruntime_cpu.option_variants(threads)

    def compile(self, model: bytes | Path, options: CompileOptions) -> onnxruntime_cpu.OnnxRuntimeEngine:
        """See `Device`."""
        check_threads(options.threads, usable_threads())
        return onnxruntime_cpu.compile_model(model, options)

    def save_engine(self, model: bytes, options: CompileOptions, path: Path) -> CompileOptions:
        """See `Device`."""
        check_threads(options.threads, usable_threads())
        onnxruntime_cpu.compile_model(model, options, save=path)
        return CompileOptions(options.threads, optimise=False)

    def fresh_samples(
        self, model: Path, feeds: Sequence[Feeds], options: CompileOptions, *, seconds: float, processes: int
    ) -> list[Samples]:
        """See `Device`."""
        check_threads(options.threads, usable_threads())
        spec = {"model": str(model.resolve()), "options": asdict(options), "seconds": seconds / processes}
        return fresh_processes(WORKER, spec, feeds, processes=processes)
