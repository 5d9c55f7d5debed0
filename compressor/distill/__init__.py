"""Distillation: one file per loss, and the default recipe."""

from compressor.distill.logits import logit_loss

__all__ = ["logit_loss"]
