"""Distillation: one file per loss, and the jobs that the training loop runs."""

from compressor.distill.job import DistillationJob
from compressor.distill.logits import logit_loss

__all__ = ["DistillationJob", "logit_loss"]
