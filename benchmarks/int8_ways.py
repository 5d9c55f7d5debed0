"""What int8 costs MiniLM in accuracy: ranges measured in several ways, and products put back into float32."""

from typing import Any

import numpy as np
import torch

from compressor.pipeline.stages import selection_drop
from compressor.pipeline.workbench import Workbench
from compressor.precision import quantise
from compressor.precision.calibration import measured_ranges
from compressor.precision.int8_static import products
from compressor.records.architecture import Precision
from compressor.score import mean_divergence
from compressor.search.mixing import put_back
from compressor.tasks import get_metric, points

TIGHT_POINTS = 0.1  # that the teacher may lose where precision is mixed
LOOKED_AT = 300  # rows, for what a product costs; what is lost in the end is asked of all


def calibrated(bench: Workbench, method: str) -> dict[str, Any]:
    """Accuracy of the teacher in int8 with constant ranges, measured in that way."""
    ranges = measured_ranges(bench.teacher_graph, bench.train, pad_id=bench.pad_id, method=method)
    model = quantise(bench.teacher_graph, Precision.INT8_STATIC, ranges, levels=bench.weight_levels).model
    options = bench.device.option_variants(1, Precision.INT8_STATIC)[0]
    tokens, metric = bench.evaluation.tokens, get_metric(bench.data.spec.metric)
    outputs = bench.outputs(model.SerializeToString(), options, tokens, Precision.INT8_STATIC)
    return {"points": round(points(metric(outputs, bench.evaluation_targets)), 3)}


def mixed(bench: Workbench, precision: Precision) -> dict[str, Any]:
    """The products of the teacher that go back to float32 for `TIGHT_POINTS`, on the selection split.

    `kept` is empty where all of them may stay in int8, and missing where that many points cannot be kept.
    """
    options = bench.device.option_variants(1, precision)[0]
    tokens = bench.selection.tokens.select(np.arange(min(LOOKED_AT, len(bench.selection.tokens))))
    expected = torch.from_numpy(bench.selection_teacher[: len(tokens)])

    def divergence_of(kept: frozenset[str]) -> float:
        outputs = bench.outputs(bench.teacher_model(precision, kept=kept), options, tokens, precision)
        return mean_divergence(bench.teacher.kind, expected, torch.from_numpy(outputs))

    def drop_of(kept: frozenset[str]) -> float:
        return selection_drop(bench, bench.teacher_model(precision, kept=kept), options, precision)

    drop = drop_of(frozenset())
    if drop <= TIGHT_POINTS:
        return {"drop_points": round(drop, 3), "kept": []}
    sizes = products(bench.teacher_graph)
    kept = put_back(sizes, divergence_of, drop_of, most_points=TIGHT_POINTS)
    found: dict[str, Any] = {"drop_points": round(drop, 3), "products": len(sizes)}
    return found if kept is None else {**found, "kept": list(kept), "put_back": len(kept)}
