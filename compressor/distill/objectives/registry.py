"""Every distillation loss by its name: a new one is its file and a line here."""

from compressor.distill.objectives.alp_kd import ALPKD, ALPKDNoOverlap, ALPKDPartialOverlap
from compressor.distill.objectives.annealing_kd import AnnealingKD
from compressor.distill.objectives.base import Objective
from compressor.distill.objectives.born_again import BornAgain
from compressor.distill.objectives.ckd import CKDNoOverlap, CKDPartialOverlap
from compressor.distill.objectives.label_smoothing import LabelSmoothing
from compressor.distill.objectives.logit_mse import LogitMSE
from compressor.distill.objectives.nas_kd import NASKD
from compressor.distill.objectives.pkd import PKDLast, PKDSkip
from compressor.distill.objectives.teacher_assistant import TeacherAssistant
from compressor.distill.objectives.teacher_free import TeacherFree
from compressor.distill.objectives.tinybert import TinyBERT
from compressor.distill.objectives.vanilla_kd import VanillaKD
from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean

EVERY: tuple[type[Objective], ...] = (
    *(VanillaKD, LogitMSE, NASKD),
    *(PKDSkip, PKDLast),
    *(ALPKD, ALPKDNoOverlap, ALPKDPartialOverlap),
    *(CKDNoOverlap, CKDPartialOverlap),
    *(AnnealingKD, TinyBERT, BornAgain, TeacherAssistant, LabelSmoothing, TeacherFree),
)
OBJECTIVES: dict[str, type[Objective]] = {objective.name: objective for objective in EVERY}


def get_objective(name: str) -> type[Objective]:
    """A loss by its name.

    Raises:
        InputError: There is none; the message names all, and the nearest.
    """
    if name not in OBJECTIVES:
        raise InputError(
            f"--distill: expected one of {', '.join(OBJECTIVES)}, or a recipe in YAML, found {name!r}"
            f"{did_you_mean(name, OBJECTIVES)}"
        )
    return OBJECTIVES[name]
