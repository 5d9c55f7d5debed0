"""This machine as a device: ONNX Runtime on its CPU, fresh processes for what is promised."""

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import ResourceError, UnavailableError
from compressor.profiles import fingerprint, last_level_cache_bytes
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.base import Clock, Feeds

YARDSTICK_ROUNDS = 160
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
        """About 50 us of single-threaded arithmetic on a few bytes, so that only the speed of the core counts.

        What it reads must not depend on what ran before: a block of 64 KiB was 20 % slower behind a large model.
        """
        return hashlib.pbkdf2_hmac("sha256", b"yardstick", b"", YARDSTICK_ROUNDS)

    def evict(self) -> object:
        """Read twice as much as the caches hold."""
        return self._ballast.sum()

    @cached_property
    def _ballast(self) -> NDArray[np.float64]:
        return np.ones(2 * last_level_cache_bytes() // 8)

    def option_variants(self, threads: int) -> tuple[CompileOptions, ...]:
        """See `Device`."""
        return onnxruntime_cpu.option_variants(threads)

    def compile(self, model: bytes | Path, options: CompileOptions) -> onnxruntime_cpu.OnnxRuntimeEngine:
        """See `Device`."""
        return onnxruntime_cpu.compile_model(model, options)

    def save_engine(self, model: bytes, options: CompileOptions, path: Path) -> CompileOptions:
        """See `Device`."""
        onnxruntime_cpu.compile_model(model, options, save=path)
        return CompileOptions(options.threads, optimise=False)

    def fresh_samples(
        self, model: Path, feeds: Sequence[Feeds], options: CompileOptions, *, seconds: float, processes: int
    ) -> list[NDArray[np.int64]]:
        """See `Device`."""
        spec = {"model": str(model.resolve()), "options": asdict(options), "seconds": seconds / processes}
        return fresh_processes(WORKER, spec, feeds, processes=processes)


def fresh_processes(
    module: str, spec: dict[str, object], feeds: Sequence[Feeds], *, processes: int
) -> list[NDArray[np.int64]]:
    """Run `python -m module SPEC FEEDS SAMPLES` one process after the other; the samples of each.

    Raises:
        UnavailableError: A process failed; its last lines are in the message.
        ResourceError: A process was killed, which is how the system ends what takes more memory than there is.
    """
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        paths = [Path(folder) / name for name in ("spec.json", "feeds.npz", "samples.npy")]
        paths[0].write_text(json.dumps(spec), encoding="utf-8")
        arrays: dict[str, Any] = {f"{i}.{name}": value for i, feed in enumerate(feeds) for name, value in feed.items()}
        np.savez(paths[1], **arrays)
        samples = []
        for _ in range(processes):
            command = [sys.executable, "-m", module, *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode == -signal.SIGKILL:
                raise ResourceError(
                    "a measuring process was killed, as the system does when memory runs out: free some, or use a "
                    "machine with more; the same command continues where it was"
                )
            if done.returncode != 0:
                raise UnavailableError(
                    f"measuring in a fresh process failed with status {done.returncode}: {done.stderr.strip()[-800:]}"
                )
            samples.append(np.load(paths[2]))
        return samples


def read_feeds(path: Path) -> list[dict[str, NDArray[np.int64]]]:
    """The inputs that `fresh_processes` wrote."""
    feeds: dict[int, dict[str, NDArray[np.int64]]] = {}
    with np.load(path) as stored:
        for key in stored.files:
            index, name = key.split(".", 1)
            feeds.setdefault(int(index), {})[name] = stored[key]
    return [feeds[index] for index in sorted(feeds)]
