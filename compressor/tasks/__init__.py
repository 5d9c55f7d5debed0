"""Data in: texts and labels of a task, tokenised once, their lengths, splits and metrics. No torch."""

from compressor.tasks.data import Split, TextData
from compressor.tasks.evaluation import HELD_OUT
from compressor.tasks.lengths import LengthSummary, default_length, length_summary
from compressor.tasks.metrics import (
    METRICS,
    Interval,
    agreement,
    get_metric,
    metric_interval,
    paired_bootstrap,
    points,
)
from compressor.tasks.reading import read_task
from compressor.tasks.splits import default_selection_size, selection_split
from compressor.tasks.tokenizer import TextTokenizer
from compressor.tasks.tokens import Tokens

__all__ = [
    "HELD_OUT",
    "METRICS",
    "Interval",
    "LengthSummary",
    "Split",
    "TextData",
    "TextTokenizer",
    "Tokens",
    "agreement",
    "default_length",
    "default_selection_size",
    "get_metric",
    "length_summary",
    "metric_interval",
    "paired_bootstrap",
    "points",
    "read_task",
    "selection_split",
]
