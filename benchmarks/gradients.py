"""Which losses have the gradient that differences say they have, with respect to everything they read of a student."""

import torch
from torch import Tensor

from compressor.distill.objectives import OBJECTIVES, Combined, Setting, completed
from compressor.encoder import Sizes, Trace
from compressor.records.distillation import DistillRecipe
from compressor.records.task import TaskKind

KIND: TaskKind = "text-classification"
STUDENT, TEACHER = Sizes((4,) * 3, (2,) * 2, 3), Sizes((6,) * 5, (3,) * 4, 3)
LENGTHS = (4, 2, 3)
PROGRESS = (0.0, 0.9)  # of losses that change on the way


def gradients_that_hold() -> list[str]:
    """Names of the losses; all of them where nothing is wrong."""
    return [name for name in OBJECTIVES if all(_holds(name, progress) for progress in PROGRESS)]


def _holds(name: str, progress: float) -> bool:
    generator = torch.Generator().manual_seed(0)
    objective = Combined(completed(DistillRecipe.named(name), KIND), Setting(STUDENT, TEACHER, KIND)).double()
    teacher, student = (_trace(sizes, generator) for sizes in (TEACHER, STUDENT))
    labels = torch.tensor([0, 2, 1])
    parts = [student.logits, *student.hidden, *(scores for scores in student.scores if scores is not None)]

    def loss(*values: Tensor) -> Tensor:
        count = len(student.hidden)
        trace = Trace(values[0], student.mask, tuple(values[1 : 1 + count]), tuple(values[1 + count :]))
        found: Tensor = objective(trace, teacher, labels, progress)
        return found

    return bool(torch.autograd.gradcheck(loss, [part.requires_grad_() for part in parts], raise_exception=False))


def _trace(sizes: Sizes, generator: torch.Generator) -> Trace:
    rows, length = len(LENGTHS), max(LENGTHS)
    mask = (torch.arange(length) < torch.tensor(LENGTHS)[:, None]).long()

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    hidden = tuple(draw(rows, length, width) for width in sizes.widths)
    return Trace(draw(rows, sizes.classes), mask, hidden, tuple(draw(rows, h, length, length) for h in sizes.heads))
