"""The flat, named list of stages; resume; time budget. No algorithm."""

from compressor.pipeline.demo import Demo, demo
from compressor.pipeline.family import compress_family, family_exit_code
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
    "compress_family",
    "demo",
    "draw_profile",
    "export_profile",
    "family_exit_code",
    "finetune",
    "import_profile",
    "plan_for",
    "profile",
]
