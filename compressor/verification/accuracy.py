"""The accuracy promise: the engine's metric on the evaluation split against the teacher's, with paired intervals."""

import numpy as np
from numpy.typing import NDArray

from compressor.records.promise import Verdict
from compressor.records.results import AccuracyResult
from compressor.tasks import Targets, agreement, get_metric, metric_interval, paired_bootstrap, points

Outputs = NDArray[np.float32]


def verify_accuracy(
    metric: str, teacher: Outputs, engine: Outputs, targets: Targets, *, max_drop_points: float, seed: int
) -> AccuracyResult:
    """Compare two models on the same rows.

    Args:
        metric: A key of `METRICS`.
        teacher: Outputs [rows, classes], or [tokens, classes] where there is a target per token.
        engine: Likewise; anything that is not finite counts as a missed promise.
        targets: Of the same rows.
        max_drop_points: Points that may be lost.
        seed: Of the bootstrap.
    """
    measure = get_metric(metric)
    reference = points(measure(teacher, targets))
    # Two scores are never the same number, so answers agree only where they are classes.
    with_classes = teacher.shape[-1] > 1
    if not np.isfinite(engine).all():
        nothing, lost = float(0), reference
        agreed = nothing if with_classes else None
        return AccuracyResult(
            metric, nothing, nothing, nothing, lost, lost, lost, agreed, len(targets), Verdict.MISSED
        )
    own = points(measure(engine, targets))
    interval = metric_interval(metric, engine, targets, seed=seed)
    drop = paired_bootstrap(metric, teacher, engine, targets, seed=seed)
    kept = reference - own <= max_drop_points + 1e-9
    return AccuracyResult(
        metric=metric,
        points=own,
        low=interval.low,
        high=interval.high,
        drop_points=reference - own,
        drop_low=drop.low,
        drop_high=drop.high,
        agreement=agreement(engine, teacher, targets) if with_classes else None,
        rows=len(targets),
        verdict=Verdict.MET if kept else Verdict.MISSED,
    )
