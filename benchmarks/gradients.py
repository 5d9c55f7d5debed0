"""Which losses have the gradient that differences say they have, with respect to all that a training of them changes.

That is everything they read of a student, and their own projections; of every task that they are for.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.func import functional_call

from compressor.distill.objectives import OBJECTIVES, Combined, Setting, completed
from compressor.encoder import Sizes, Trace
from compressor.records.distillation import DistillRecipe
from compressor.records.task import TaskKind

STUDENT, TEACHER = Sizes((4,) * 3, (2,) * 2, 3), Sizes((6,) * 5, (3,) * 4, 3)
LENGTHS = (4, 2, 3)
PROGRESS = (0.0, 0.9)  # of losses that change on the way


def gradients_that_hold() -> list[str]:
    """Names of the losses; all of them where nothing is wrong."""
    return [name for name in OBJECTIVES if all(_every_check(name))]


def _every_check(name: str) -> Iterator[bool]:
    for kind in OBJECTIVES[name].tasks:
        for progress in PROGRESS:
            yield _holds(name, kind, progress)


def _holds(name: str, kind: TaskKind, progress: float) -> bool:
    generator = torch.Generator().manual_seed(0)
    classes = 1 if kind == "regression" else STUDENT.classes
    sizes = [replace(each, classes=classes) for each in (STUDENT, TEACHER)]
    objective = Combined(completed(DistillRecipe.named(name), kind), Setting(sizes[0], sizes[1], kind)).double()
    student, teacher = (_trace(each, kind, generator) for each in sizes)
    labels = _labels(kind)
    read = [student.logits, *student.hidden, *(scores for scores in student.scores if scores is not None)]
    names, projections = zip(*objective.named_parameters(), strict=True) if objective.projects else ((), ())

    def loss(*values: Tensor) -> Tensor:
        count, own = len(student.hidden), len(read)
        trace = Trace(values[0], student.mask, tuple(values[1 : 1 + count]), tuple(values[1 + count : own]))
        parameters = dict(zip(names, values[own:], strict=True))
        found: Tensor = functional_call(objective, parameters, (trace, teacher, labels, progress))
        return found

    inputs = [*(part.requires_grad_() for part in read), *projections]
    return bool(torch.autograd.gradcheck(loss, inputs, raise_exception=False))


def _labels(kind: TaskKind) -> Tensor:
    if kind == "regression":
        return torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64)
    if kind == "token-classification":
        return torch.tensor([-100, 0, 2, -100, 1, -100, 0, 1, 2])
    return torch.tensor([0, 2, 1])


def _trace(sizes: Sizes, kind: TaskKind, generator: torch.Generator) -> Trace:
    rows, length = len(LENGTHS), max(LENGTHS)
    mask = (torch.arange(length) < torch.tensor(LENGTHS)[:, None]).long()

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    outputs = (rows, length) if kind == "token-classification" else (rows,)
    hidden = tuple(draw(rows, length, width) for width in sizes.widths)
    scores = tuple(draw(rows, heads, length, length) for heads in sizes.heads)
    return Trace(draw(*outputs, sizes.classes), mask, hidden, scores)
