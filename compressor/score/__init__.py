"""What each cut costs: order of the units, refitted projections, divergence of replaced sub-layers."""

from compressor.score.batches import Batch, calibration_batches
from compressor.score.damage import affordable_rows, passes_per_row, score_space
from compressor.score.divergence import mean_divergence
from compressor.score.refitting import Reference, refit

__all__ = [
    "Batch",
    "Reference",
    "affordable_rows",
    "calibration_batches",
    "mean_divergence",
    "passes_per_row",
    "refit",
    "score_space",
]
