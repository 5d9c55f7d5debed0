"""The one training loop: ranks, schedules, checkpoints, data order; what a step computes is given to it."""

from compressor.train.arithmetic import faster_in_bfloat16
from compressor.train.fitting import FittingJob, Loss
from compressor.train.job import Job, Setup, Step
from compressor.train.loop import Trainer, learning_rate
from compressor.train.order import DataOrder
from compressor.train.ranks import train

__all__ = [
    "DataOrder",
    "FittingJob",
    "Job",
    "Loss",
    "Setup",
    "Step",
    "Trainer",
    "faster_in_bfloat16",
    "learning_rate",
    "train",
]
