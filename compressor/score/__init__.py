"""What each cut costs: importance of units, divergence of replaced sub-layers."""

from compressor.score.batches import Batch, calibration_batches
from compressor.score.damage import affordable_rows, passes_per_row, score_space
from compressor.score.importance import unit_importance

__all__ = ["Batch", "affordable_rows", "calibration_batches", "passes_per_row", "score_space", "unit_importance"]
