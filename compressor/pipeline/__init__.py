"""The flat, named list of stages; resume; time budget. No algorithm."""

from compressor.pipeline.demo import Demo, demo
from compressor.pipeline.finetune import FineTuned, finetune
from compressor.pipeline.profiling import draw_profile, export_profile, import_profile, profile
from compressor.pipeline.run import Outcome, compress, plan_for
from compressor.pipeline.runner import STAGES, StoppedError

__all__ = [
    "STAGES",
    "Demo",
    "FineTuned",
    "Outcome",
    "StoppedError",
    "compress",
    "demo",
    "draw_profile",
    "export_profile",
    "finetune",
    "import_profile",
    "plan_for",
    "profile",
]
