"""Runs one stage: takes its record from an earlier run, or makes and keeps it; times it; stops where asked to."""

import time
from collections.abc import Callable
from typing import TypeVar

from compressor.errors import InputError
from compressor.records.observer import Observer
from compressor.records.results import StageTime
from compressor.records.store import RunFolder

R = TypeVar("R")

# Name -> what it does, in the order of the run; `--stop-after` takes these names.
STAGES = {
    "prepare": "read the data, fix the workload, find the smallest latency that is possible",
    "ladder": "compile the unpruned teacher at each precision",
    "table": "measure the candidate ops on the device",
    "label": "let the teacher answer the training text",
    "score": "find out what each cut costs",
    "search": "search, build and measure architectures",
    "race": "train the finalists for a moment",
    "distil": "train the student",
    "export": "write the bundle",
    "verify": "check the promises on the exported files",
    "compare": "measure the teacher in the same way",
    "report": "write the report",
}


class StoppedError(Exception):
    """Not a fault: the stage that `--stop-after` names is done."""


def check_stage(name: str | None) -> None:
    """Refuse a name for `--stop-after` that no stage has.

    Raises:
        InputError: The message lists the stages.
    """
    if name is not None and name not in STAGES:
        raise InputError(f"--stop-after: expected one of {', '.join(STAGES)}, got {name!r}")


class Runner:
    """Stages of one run, in order."""

    def __init__(self, run: RunFolder, observer: Observer, *, stop_after: str | None = None) -> None:
        self._run, self._observer, self._stop_after = run, observer, stop_after
        self.times: list[StageTime] = []

    def stage(self, name: str, kind: type[R], make: Callable[[], R], *, tag: str = "") -> R:
        """The record of a stage.

        Args:
            name: A key of `STAGES`.
            kind: Type of its record.
            make: Computes it; may be called not at all.
            tag: Tells apart several records of one stage.

        Raises:
            StoppedError: The stage is done and was the last one wanted.
        """
        begin = time.monotonic()
        self._observer.begin(name, STAGES[name])
        cached = self._run.finished(name + tag)
        if cached:
            record = self._run.load(name + tag, kind)
        else:
            record = make()
            self._run.save(name + tag, record)
        seconds = time.monotonic() - begin
        self._observer.end(name, seconds, cached=cached)
        self.times.append(StageTime(name + tag, seconds, cached))
        if name == self._stop_after:
            raise StoppedError(name)
        return record
