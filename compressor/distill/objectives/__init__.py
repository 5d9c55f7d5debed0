"""Distillation losses by name, one file per family, and the recipes that combine them."""

from compressor.distill.objectives.base import Need, Objective, Range, Setting
from compressor.distill.objectives.combining import Combined, completed, defaults, needs_of
from compressor.distill.objectives.describing import methods
from compressor.distill.objectives.registry import OBJECTIVES, get_objective

__all__ = [
    "OBJECTIVES",
    "Combined",
    "Need",
    "Objective",
    "Range",
    "Setting",
    "completed",
    "defaults",
    "get_objective",
    "methods",
    "needs_of",
]
