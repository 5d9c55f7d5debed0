"""Requests for the tiny teacher and how they are run; shared by the tests of whole runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny import BATCH, LENGTH, Watcher

from compressor.pipeline import Outcome, compress
from compressor.records.architecture import Precision
from compressor.records.promise import Budget
from compressor.records.request import CompressRequest

Times = dict[Precision, float]
Ask = Callable[..., CompressRequest]
Run = Callable[..., Outcome]

# Shares of the int8 teacher's latency. At the first the student still answers like its teacher, at the second not.
TIGHT, DAMAGING = 0.75, 0.37


@dataclass(frozen=True)
class Whole:
    """A finished run."""

    request: CompressRequest
    cache: Path
    outcome: Outcome
    watcher: Watcher

    @property
    def student(self) -> bytes:
        """The trained weights."""
        return (run_folder(self.cache) / "student.safetensors").read_bytes()


def wanted(
    teacher: Path,
    data: Path,
    target: Path,
    max_latency_ms: float | None,
    *,
    time_budget_s: float = 60.0,
    seed: int = 0,
    **budget: Any,
) -> CompressRequest:
    """A request with this limit; a time budget of a minute makes every training as short as may be."""
    return CompressRequest(
        teacher=str(teacher),
        data=str(data),
        target=str(target),
        budget=Budget(max_latency_ms=max_latency_ms, **budget),
        batch=BATCH,
        sequence_length=LENGTH,
        time_budget_s=time_budget_s,
        seed=seed,
    )


def start(
    folder: Path,
    request: CompressRequest,
    *,
    cache: str = "cache",
    output: str = "bundle",
    watcher: Watcher | None = None,
    **flags: Any,
) -> Outcome:
    """`compress` inside a folder."""
    return compress(request, folder / output, cache=folder / cache, observer=watcher or Watcher(), **flags)


def run_folder(cache: Path) -> Path:
    """The only run in a cache."""
    (folder,) = (cache / "runs").iterdir()
    return folder
