"""The accuracy promise: the engine's metric on the evaluation split against the teacher's, with paired intervals."""

import numpy as np
from numpy.typing import NDArray

from compressor.records.promise import Verdict
from compressor.records.results import AccuracyResult
from compressor.tasks import agreement, get_metric, metric_interval, paired_bootstrap, points

Logits = NDArray[np.float32]


def verify_accuracy(
    metric: str, teacher: Logits, engine: Logits, labels: NDArray[np.int64], *, max_drop_points: float, seed: int
) -> AccuracyResult:
    """Compare two models on the same rows.

    Args:
        metric: A key of `METRICS`.
        teacher: Logits [rows, classes].
        engine: Logits [rows, classes]; anything that is not finite counts as a missed promise.
        labels: int64 [rows].
        max_drop_points: Points that may be lost.
        seed: Of the bootstrap.
    """
    if not np.isfinite(engine).all():
        nothing = float(0)
        lost = points(get_metric(metric)(teacher, labels))
        return AccuracyResult(
            metric, nothing, nothing, nothing, lost, lost, lost, nothing, len(labels), Verdict.MISSED
        )
    measure = get_metric(metric)
    own, reference = points(measure(engine, labels)), points(measure(teacher, labels))
    interval = metric_interval(metric, engine, labels, seed=seed)
    drop = paired_bootstrap(metric, teacher, engine, labels, seed=seed)
    kept = reference - own <= max_drop_points + 1e-9
    return AccuracyResult(
        metric=metric,
        points=own,
        low=interval.low,
        high=interval.high,
        drop_points=reference - own,
        drop_low=drop.low,
        drop_high=drop.high,
        agreement=agreement(teacher, engine),
        rows=len(labels),
        verdict=Verdict.MET if kept else Verdict.MISSED,
    )
