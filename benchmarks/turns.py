"""Models of several environments timed in turn, each in a process of its own; and their answers judged.

Nobody is timed before all have loaded their model. The order of a round is drawn anew, and before each turn everybody
is idle for a moment, so that nobody always finds the caches and clocks of the same one before it.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.peers.environments import PeerError, Worker
from benchmarks.products import Floor
from benchmarks.subjects import Case, Subject
from compressor.tasks import get_metric, points

TURN_SECONDS, PAUSE_SECONDS = 0.25, 0.05


def timed(
    subjects: Sequence[Subject], length: int, *, threads: int, turns: int, work: Path, floor: Floor | None = None
) -> dict[str, Any]:
    """Median milliseconds of every subject at batch 1; those that cannot be run, and why.

    Args:
        subjects: Names are distinct.
        length: Tokens.
        threads: Of each.
        turns: That each has.
        work: For files.
        floor: Has a turn in every round too.
    """
    feeds, random = work / f"feeds-{length}.npz", np.random.default_rng(0)
    ids = random.integers(1000, 20000, (1, length))
    np.savez(feeds, input_ids=ids, attention_mask=np.ones_like(ids), token_type_ids=np.zeros_like(ids))
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        workers = {
            each.name: stack.enter_context(Worker(each.python, each.model, each.folder, threads=threads))
            for each in subjects
        }
        failed = _failed_to_load(workers)
        for _ in range(turns):
            for name in map(str, random.permutation(sorted(workers.keys() - failed.keys()))):
                time.sleep(PAUSE_SECONDS)
                try:
                    answer = workers[name].ask(do="time", feeds=str(feeds), seconds=TURN_SECONDS)
                except PeerError as error:
                    failed[name] = str(error)
                else:
                    times.setdefault(name, []).append(median(answer["milliseconds"]))
            if floor is not None:
                floor.turn()
    found = {name: round(median(medians), 4) for name, medians in times.items() if name not in failed}
    return {"ms": found, "failed": failed}


def _failed_to_load(workers: dict[str, Worker]) -> dict[str, str]:
    """Wait for all; name and reason of those that cannot load their model."""
    failed = {}
    for name, worker in workers.items():
        try:
            worker.ready()
        except PeerError as error:
            failed[name] = str(error)
    return failed


def judged(case: Case, subjects: Sequence[Subject], *, work: Path) -> dict[str, Any]:
    """Accuracy of every subject on the evaluation split, in points, and its size; those that cannot be run, and why.

    `fp32` is the accuracy of the model itself, without a precision or a runtime to blame.
    """
    tokens, targets = case.bench.evaluation.tokens, case.bench.evaluation_targets
    rows, outputs = work / "rows.npz", work / "outputs.npy"
    np.savez(rows, ids=tokens.ids, type_ids=tokens.type_ids, offsets=tokens.offsets)
    metric = get_metric(case.bench.data.spec.metric)
    accuracy, failed = dict[str, float](), dict[str, str]()
    for each in subjects:
        try:
            with Worker(each.python, each.model, each.folder, threads=1) as worker:
                worker.ready()
                worker.ask(do="answer", rows=str(rows), outputs=str(outputs))
        except PeerError as error:
            failed[each.name] = str(error)
        else:
            accuracy[each.name] = round(points(metric(np.load(outputs), targets)), 3)
    whole = metric(case.bench.fp32_outputs(case.encoder.emit(), tokens), targets)
    sizes = {each.name: round(each.megabytes, 2) for each in subjects if each.name in accuracy}
    return {"fp32": round(points(whole), 3), "accuracy": accuracy, "megabytes": sizes, "failed": failed}
