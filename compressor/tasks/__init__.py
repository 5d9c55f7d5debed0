"""Data in: texts and labels of a task, tokenised once, their lengths, splits and metrics. No torch."""

from compressor.tasks.bootstrap import Interval, metric_interval, paired_bootstrap
from compressor.tasks.data import Split, TextData
from compressor.tasks.encoding import encode_split
from compressor.tasks.evaluation import HELD_OUT
from compressor.tasks.files import UNLABELLED
from compressor.tasks.lengths import LengthSummary, cut_notes, default_length, length_summary
from compressor.tasks.metrics import METRICS, Metric, agreement, check_metric, default_metric, get_metric, points
from compressor.tasks.reading import read_task
from compressor.tasks.splits import carve, default_selection_size, selection_split
from compressor.tasks.targets import IGNORED, Targets
from compressor.tasks.tokenizer import TextTokenizer
from compressor.tasks.tokens import Tokens, joined

__all__ = [
    "HELD_OUT",
    "IGNORED",
    "METRICS",
    "UNLABELLED",
    "Interval",
    "LengthSummary",
    "Metric",
    "Split",
    "Targets",
    "TextData",
    "TextTokenizer",
    "Tokens",
    "agreement",
    "carve",
    "check_metric",
    "cut_notes",
    "default_length",
    "default_metric",
    "default_selection_size",
    "encode_split",
    "get_metric",
    "joined",
    "length_summary",
    "metric_interval",
    "paired_bootstrap",
    "points",
    "read_task",
    "selection_split",
]
