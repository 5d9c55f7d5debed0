"""Run the command line as a user does, in a process of its own with a cold cache: its end, its time, its memory."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import CHECKOUT
from compressor.records.results import Report
from compressor.records.serial import load

KEPT_LINES = 60
WATCH_SECONDS = 0.5


def run_command(
    arguments: Sequence[str], *, environment: dict[str, str] | None = None, watch_memory: bool = False
) -> dict[str, Any]:
    """`python -m compressor ARGUMENTS`; a row with exit code, seconds, the last lines of output, gigabytes if watched.

    Memory is watched only where it is asked for: looking at it disturbs what is timed.
    """
    with tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, "XDG_CACHE_HOME": folder, "PYTHONPATH": str(CHECKOUT), **(environment or {})}
        begin = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "compressor", *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        memory = MemoryWatch(process.pid) if watch_memory else None
        output, _ = process.communicate()
        row: dict[str, Any] = {"exit_code": process.returncode, "seconds": round(time.monotonic() - begin, 2)}
        if memory is not None:
            row["gigabytes"] = round(memory.stop() / 1e9, 3)
        return row | {"output": output.splitlines()[-KEPT_LINES:]}


def compress(arguments: Sequence[str], *, watch_memory: bool = False) -> dict[str, Any]:
    """`compressor compress ARGUMENTS` into a temporary folder; the row has the facts of its report too."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "bundle"
        row = run_command(["compress", *arguments, "--output", str(output)], watch_memory=watch_memory)
        row["output"] = [line.replace(f"{folder}{os.sep}", "") for line in row["output"]]
        return row | report_facts(output)


def report_facts(bundle: Path) -> dict[str, Any]:
    """What a row keeps of a bundle's report; nothing where there is none."""
    path = bundle / "report.json"
    if not path.exists():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    check = report["verification"]
    return {
        "chosen": report["chosen"],
        "verdict": check["verdict"],
        "p50_ms": round(check["latency"]["summary"]["p50_ms"], 4),
        "p95_ms": round(check["latency"]["summary"]["p95_ms"], 4),
        "share_within": round(check["latency"]["share_within"], 4),
        "repeats": check["latency"]["repeats"],
        "accuracy_points": round(check["accuracy"]["points"], 3),
        "accuracy_drop_points": round(check["accuracy"]["drop_points"], 3),
        "layers": load(Report, path).architecture.in_words,
        "predicted_ms": report["predicted_ms"],
        "evaluation_reads": report["evaluation_reads"],
        "stages": report["stages"],
        "rows": report["rows"],
    }


class MemoryWatch:
    """Largest sum of the proportional set sizes of a process and its descendants, in bytes."""

    def __init__(self, pid: int) -> None:
        self._pid, self._largest, self._done = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End the watch; what was found."""
        self._done.set()
        self._thread.join()
        return self._largest

    def _watch(self) -> None:
        while not self._done.wait(WATCH_SECONDS):
            try:
                root = psutil.Process(self._pid)
                every = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self._largest = max(self._largest, sum(map(_bytes, every)))


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has ended
        return 0
