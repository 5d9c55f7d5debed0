"""Distillation losses by name, one file per family, and the recipes that combine them."""

from compressor.distill.objectives.base import Need, Objective, Range, Setting
from compressor.distill.objectives.combining import (
    Combined,
    by_assistant,
    completed,
    deepest,
    defaults,
    in_order,
    needs_of,
)
from compressor.distill.objectives.describing import methods
from compressor.distill.objectives.registry import OBJECTIVES, get_objective

__all__ = [
    "OBJECTIVES",
    "Combined",
    "Need",
    "Objective",
    "Range",
    "Setting",
    "by_assistant",
    "completed",
    "deepest",
    "defaults",
    "get_objective",
    "in_order",
    "methods",
    "needs_of",
]
