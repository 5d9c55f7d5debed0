"""Requests for the tiny teacher and how they are run; shared by the tests of whole runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tiny import BATCH, LENGTH, Watcher

from compressor.pipeline import Outcome, compress, finishing
from compressor.records.architecture import Precision
from compressor.records.promise import Budget, Reason, Verdict
from compressor.records.request import CompressRequest
from compressor.records.results import Verification

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


def missed_latency(monkeypatch: pytest.MonkeyPatch, *, times: int) -> list[Verification]:
    """So many verifications find a tail of 1.3 that misses the limit; what was really measured is in the list."""
    verify_bundle = finishing.verify_bundle
    met: list[Verification] = []

    def disturbed(*args: Any, **kwargs: Any) -> Verification:
        found = verify_bundle(*args, **kwargs)
        met.append(found)
        if len(met) > times:
            return found
        slow_ms = 1.3 * found.latency.summary.p50_ms
        summary = replace(found.latency.summary, p95_ms=slow_ms, p99_ms=slow_ms)
        missed = replace(found.latency, summary=summary, share_within=0.9, verdict=Verdict.MISSED)
        return replace(found, latency=missed, verdict=Verdict.MISSED, reasons=(Reason.LATENCY_OVER_LIMIT,))

    monkeypatch.setattr(finishing, "verify_bundle", disturbed)
    return met
