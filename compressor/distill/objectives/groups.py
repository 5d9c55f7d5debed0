"""What losses have in common that hold each layer of the student against a group of the teacher's."""

from abc import abstractmethod

from compressor.distill.objectives.base import EVERY_TASK, Need, Objective, Setting, check_depth
from compressor.distill.objectives.layers import Buckets
from compressor.records.distillation import LossTerm


class OfGroups(Objective):
    """Both papers give 0.7 to the loss of theirs, 0.2 to the teacher's distribution and 0.1 to the labels."""

    needs = frozenset[Need]({"hidden states"})
    tasks = EVERY_TASK
    answers = False
    matches_layers = True
    weight = 0.7
    beside = LossTerm("vanilla-kd", 0.3, (("alpha", 2 / 3),))

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        if self.matches_layers:
            check_depth(self.name, setting)
        self._buckets = self.buckets(setting.student.layers, setting.teacher.layers)

    @staticmethod
    @abstractmethod
    def buckets(student: int, teacher: int) -> Buckets:
        """The teacher's layers for each layer of the student, by the numbers of layers."""
