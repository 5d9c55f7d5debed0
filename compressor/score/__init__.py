"""What each cut costs: importance of units, divergence of replaced sub-layers."""

from compressor.score.batches import Batch, calibration_batches
from compressor.score.damage import score_space
from compressor.score.importance import unit_importance

__all__ = ["Batch", "calibration_batches", "score_space", "unit_importance"]
