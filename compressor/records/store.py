"""The run folder: records of finished stages, a journal of measurements and of choices.

    run/  prepare.json  ladder.json ...   one record per finished stage
          measurements.jsonl              every measurement, appended as soon as it is made
          choices.jsonl                   every choice that depends on the clock, before it is acted on
          lock                            held by the process that works here, and names it

A run that was killed finds here what it had decided, so that it ends with the same model.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from compressor.errors import InputError
from compressor.records.serial import load, save, to_dict

R = TypeVar("R")
J = TypeVar("J", int, float, str)

LOCK = "lock"


class RunFolder:
    """One run on disk; made if it is not there.

    Raises:
        InputError: The folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"expected a cache that can be written to, cannot make {path}: {error.strerror}; name another place "
                "with XDG_CACHE_HOME"
            ) from error

    @contextmanager
    def held(self, *, fresh: bool = False) -> Iterator[None]:
        """Keep other processes out of the folder; `fresh` empties it first.

        The lock is the system's, which gives it back however the process ends. Its file stays: if it were removed,
        two processes could each hold a lock on a file of that name.

        Raises:
            InputError: Another process is using it.
        """
        with self.file(LOCK).open("a+", encoding="utf-8") as lock:
            self._take(lock)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            if fresh:
                self._empty()
            yield

    def _take(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read()
            raise InputError(
                f"{f'process {owner}' if owner else 'another process'} is working on the same run ({self.path}); wait "
                "for it to end, or stop it: what it has done so far is kept"
            ) from error
        except OSError as error:
            raise InputError(
                f"expected a cache on a file system with locks, cannot lock {lock.name}: {error.strerror}; name "
                "another place with XDG_CACHE_HOME"
            ) from error

    def _empty(self) -> None:
        """Remove everything but the lock."""
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()

    def file(self, name: str) -> Path:
        """Path of a file in the folder."""
        return self.path / name

    def finished(self, stage: str) -> bool:
        """Whether a stage has left its record."""
        return self.file(f"{stage}.json").exists()

    def finished_at(self, stage: str) -> datetime:
        """When a stage left its record."""
        return datetime.fromtimestamp(self.file(f"{stage}.json").stat().st_mtime, UTC)

    def load(self, stage: str, kind: type[R]) -> R:
        """The record of a finished stage."""
        return load(kind, self.file(f"{stage}.json"))

    def save(self, stage: str, record: object) -> None:
        """Finish a stage."""
        save(record, self.file(f"{stage}.json"))

    def measured(self, stage: str, name: str, record: object) -> None:
        """Append a measurement."""
        self._append("measurements.jsonl", {"stage": stage, "name": name, **to_dict(record)})

    def measurements(self, stage: str, name: str) -> list[dict[str, Any]]:
        """What was appended under that stage and name, in order."""
        found = self._lines("measurements.jsonl")
        return [line for line in found if (line["stage"], line["name"]) == (stage, name)]

    def choose(self, name: str, decide: Callable[[], J]) -> J:
        """The choice of that name: the one that was written down, else a new one, written down first."""
        known: J | None = self.chosen(name)
        if known is not None:
            return known
        value = decide()
        self._append("choices.jsonl", {"name": name, "value": value})
        return value

    def chosen(self, name: str) -> Any:
        """The choice of that name that was written down; None = there is none yet."""
        return next((line["value"] for line in self._lines("choices.jsonl") if line["name"] == name), None)

    def _append(self, name: str, line: dict[str, Any]) -> None:
        with self.file(name).open("a+b") as stream:
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)  # what a kill left of a line would spoil the next one
            stream.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _lines(self, name: str) -> list[dict[str, Any]]:
        if not self.file(name).exists():
            return []
        whole = self.file(name).read_text(encoding="utf-8").split("\n")[:-1]  # a line that was cut off has no end
        return [json.loads(line) for line in whole]
