"""The flat, named list of stages; resume; time budget. No algorithm."""

from compressor.pipeline.run import Outcome, compress, plan_for
from compressor.pipeline.runner import STAGES, StoppedError

__all__ = ["STAGES", "Outcome", "StoppedError", "compress", "plan_for"]
