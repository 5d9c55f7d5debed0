"""Searches as a user runs them, from the command line with a cold cache and little time; one held against another."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.commands import report_facts, run_command
from benchmarks.distilled import SST2
from benchmarks.frontier import BUILT, LENGTH, TEACHER, pooled
from compressor.export import EVALUATION, EvaluationData
from compressor.tasks import Interval, Targets, paired_bootstrap

LEAST_STEPS = 60

Row = Mapping[str, Any]


def searched(search: str, limit_ms: float, minutes: float) -> dict[str, Any]:
    """One `compressor compress`: facts of its report and of its journal, and which sentences the engine got right."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle, cache = folder / "bundle", folder / "cache"
        given = ["compress", "--teacher", str(TEACHER), "--data", str(pooled(SST2)), "--search", search]
        given += ["--max-latency", f"{limit_ms:.4g}ms", "--sequence-length", str(LENGTH), "--threads", "1"]
        given += ["--max-accuracy-drop", "100", "--time-budget", f"{minutes:g}m", "--output", str(bundle)]
        row = run_command(given, environment={"XDG_CACHE_HOME": str(cache)})
        row["output"] = [line.replace(f"{folder}{os.sep}", "") for line in row["output"]]
        row |= {"search": search, "limit_ms": limit_ms, **journalled(cache)}
        if row["exit_code"] in BUILT:
            row |= {**report_facts(bundle), "answers": packed(EvaluationData.load(bundle / EVALUATION))}
        return row


def journalled(cache: Path) -> dict[str, int]:
    """What the runs below a cache wrote down.

    Returns:
        `tried`: candidates that were trained for a moment, of a search without such those that were timed; `timed`:
        these; `steps`: of the training that ended the search, so not of tries, assistants or repairs.
    """
    choices = {line["name"]: line["value"] for line in _lines(cache, "choices.jsonl")}
    tried = sum(".try " in name for name in choices)
    measured = [(line["stage"], line["name"]) for line in _lines(cache, "measurements.jsonl")]
    timed = measured.count(("search", "trial"))
    return {"tried": tried or timed, "timed": timed, "steps": int(choices.get("distil.steps", 0))}


def _lines(cache: Path, name: str) -> list[dict[str, Any]]:
    files = sorted(cache.rglob(name))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def packed(data: EvaluationData) -> dict[str, Any]:
    """Which rows of the evaluation the engine classified right, in a few hundred letters."""
    right = data.engine.argmax(axis=1) == data.targets.values
    return {"right": np.packbits(right).tobytes().hex(), "count": len(right)}


def unpacked(answers: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The other way round."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(answers["right"]), dtype=np.uint8))
    return bits[: answers["count"]].astype(bool)


def gain(mine: Row, other: Row) -> tuple[float, Interval]:
    """Points of accuracy of one engine over another, with the paired bootstrap's 95 % interval."""
    ours, theirs = (unpacked(row["answers"]) for row in (mine, other))
    # Two classes of which the second is right: all that a bootstrap of accuracies looks at.
    outputs = [np.stack([~right, right], axis=1).astype(np.float32) for right in (ours, theirs)]
    interval = paired_bootstrap("accuracy", *outputs, Targets(np.ones(len(ours), dtype=np.int64)), seed=0)
    return float(100 * (ours.mean() - theirs.mean())), interval


def built(row: Row) -> bool:
    """An engine shipped."""
    return row["exit_code"] in BUILT


def over_limit(row: Row) -> bool:
    """An engine shipped whose 95th percentile is over its limit."""
    return bool(built(row) and row["p95_ms"] > row["limit_ms"])


def works(row: Row) -> bool:
    """A student was trained for a while, exported and verified."""
    return bool(built(row) and row["chosen"] == "student" and row["steps"] >= LEAST_STEPS)
