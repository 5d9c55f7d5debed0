"""Fresh processes for what is promised: started one after the other, fed by files, and what it means when one ends."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import CompressorError, ResourceError, UnavailableError
from compressor.runtimes.base import Feeds, Progress
from compressor.runtimes.samples import Samples


def fresh_processes(
    module: str,
    spec: dict[str, object],
    feeds: Sequence[Feeds],
    *,
    processes: int,
    progress: Progress | None = None,
) -> list[Samples]:
    """Run `python -m module SPEC FEEDS SAMPLES` one process after the other; the samples of each.

    Args:
        module: With a `main` for `run_worker`.
        spec: What it is told, as JSON.
        feeds: Inputs of the engine.
        processes: How many.
        progress: Called with the share of them that has ended.

    Raises:
        ResourceError: A process was killed, which is how the system ends what takes more memory than there is.
        UnavailableError: A process failed or died; its last lines are in the message.
    """
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        paths = [Path(folder) / name for name in ("spec.json", "feeds.npz", "samples.npz")]
        paths[0].write_text(json.dumps(spec), encoding="utf-8")
        arrays: dict[str, Any] = {f"{i}.{name}": value for i, feed in enumerate(feeds) for name, value in feed.items()}
        np.savez(paths[1], **arrays)
        samples = []
        for done in range(1, processes + 1):
            command = [sys.executable, "-m", module, *map(str, paths)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            check_end(ended.returncode, ended.stderr, what="measuring in a fresh process")
            samples.append(Samples.load(paths[2]))
            if progress is not None:
                progress(done / processes)
        return samples


def check_end(status: int, complaint: str, *, what: str) -> None:
    """Turn the end of a process into an error, unless it ended well.

    Args:
        status: As `subprocess` has it: minus the signal where one ended the process.
        complaint: Its standard error.
        what: What it was doing.

    Raises:
        ResourceError: It was killed.
        UnavailableError: It failed, or another signal ended it.
    """
    if status == -signal.SIGKILL:
        raise ResourceError(
            f"{what}: the process was killed, as the system does when memory runs out: free some, or use a machine "
            "with more; the same command continues where it was"
        )
    last = complaint.strip()[-800:]
    if status < 0:
        raise UnavailableError(
            f"{what}: the process died of {_signal_name(-status)}: {last or 'it said nothing'}; the runtime crashed, "
            "or the device or the process was taken away. The same command continues where it was"
        )
    if status:
        raise UnavailableError(f"{what} failed with status {status}: {last}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"


def run_worker(main: Callable[..., None]) -> None:
    """Run a worker on the command line's arguments; an error of ours ends it with its message alone."""
    try:
        main(*sys.argv[1:])
    except CompressorError as error:
        sys.exit(str(error))


def read_feeds(path: Path) -> list[dict[str, NDArray[np.int64]]]:
    """The inputs that `fresh_processes` wrote."""
    feeds: dict[int, dict[str, NDArray[np.int64]]] = {}
    with np.load(path) as stored:
        for key in stored.files:
            index, name = key.split(".", 1)
            feeds.setdefault(int(index), {})[name] = stored[key]
    return [feeds[index] for index in sorted(feeds)]
