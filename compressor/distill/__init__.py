"""Distillation: one file per loss, and the default recipe."""

from compressor.distill.logits import logit_loss
from compressor.distill.outputs import output_loss
from compressor.records.task import TaskKind
from compressor.train import Loss

LOSSES: dict[TaskKind, Loss] = {
    "text-classification": logit_loss,
    "regression": output_loss,
    "token-classification": logit_loss,
}


def distillation_loss(kind: TaskKind) -> Loss:
    """The loss that a student of a kind of task is trained with."""
    return LOSSES[kind]


__all__ = ["LOSSES", "distillation_loss", "logit_loss", "output_loss"]
