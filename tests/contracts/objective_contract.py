"""What every distillation loss by name promises: inherit `ObjectiveContract` and give it the formula in numpy.

class TestMyLoss(ObjectiveContract):
    name = "my-loss"
    matches_layers = True  # it refuses a student that is deeper than its teacher
    at_teacher = ({"alpha": 1.0}, 0.0)  # parameters and progress at which a student that is its teacher loses nothing

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats: ...  # [rows]
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from compressor.distill.objectives import Objective, Setting, completed, defaults, get_objective
from compressor.encoder import Sizes, Trace
from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe
from compressor.records.task import TASK_KINDS, TaskKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES = 3
LENGTHS = (4, 2, 1, 3, 4, 2)
TEACHER = Sizes((6,) * 5, (3,) * 4, CLASSES)
FEWER_LAYERS = Sizes((6,) * 3, (3,) * 2, CLASSES)
NARROW = Sizes((4,) * 4, (2, 0, 2), CLASSES)  # layers that do not divide the teacher's, one without attention
STUDENTS = {"fewer layers": FEWER_LAYERS, "narrow": NARROW}
PROGRESS = (0.0, 0.9)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A trace of a text model in numpy, without padding: `hidden[l][row]` is [tokens, width]."""

    logits: Floats
    hidden: list[list[Floats]]
    scores: list[list[Floats]]


@dataclass(frozen=True, eq=False)
class Batch:
    """Traces and labels; see `Objective.forward`."""

    student: Trace
    teacher: Trace
    labels: Tensor


def setting(student: Sizes, kind: TaskKind, *, teacher: Sizes = TEACHER, scale: float = 1.0) -> Setting:
    """For a task, whose regression has one output."""
    if kind == "regression":
        student, teacher = replace(student, classes=1), replace(teacher, classes=1)
    return Setting(student, teacher, kind, scale)


def random_trace(sizes: Sizes, kind: TaskKind, generator: torch.Generator) -> Trace:
    """In double precision, padded to the longest row."""
    rows, length = len(LENGTHS), max(LENGTHS)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    mask = (torch.arange(length) < torch.tensor(LENGTHS)[:, None]).long()
    classes = 1 if kind == "regression" else sizes.classes
    logits = 2 * draw(rows, *([length] if kind == "token-classification" else []), classes)
    hidden = tuple(draw(rows, length, width) for width in sizes.widths)
    scores = tuple(draw(rows, heads, length, length) if heads else None for heads in sizes.heads)
    return Trace(logits, mask, hidden, scores)


def random_labels(kind: TaskKind, generator: torch.Generator) -> Tensor:
    """Of the rows, or of all tokens with some that do not count."""
    if kind == "regression":
        return torch.randn(len(LENGTHS), generator=generator, dtype=torch.float64)
    labels = torch.randint(
        CLASSES, (sum(LENGTHS) if kind == "token-classification" else len(LENGTHS),), generator=generator
    )
    if kind == "token-classification":
        labels[::3] = -100
    return labels


def random_batch(shapes: Setting, seed: int = 0) -> Batch:
    """Of student and teacher."""
    generator = torch.Generator().manual_seed(seed)
    traces = (random_trace(sizes, shapes.kind, generator) for sizes in (shapes.student, shapes.teacher))
    return Batch(*traces, random_labels(shapes.kind, generator))


def tensors(trace: Trace) -> list[Tensor]:
    """The numbers of a trace, in one list."""
    return [trace.logits, *trace.hidden, *(scores for scores in trace.scores if scores is not None)]


def changed(
    trace: Trace, change: Callable[[Tensor], Tensor], of: tuple[str, ...] = ("logits", "hidden", "scores")
) -> Trace:
    """A trace whose numbers are others; the mask stays."""

    def new(value: Any) -> Any:
        return tuple(map(new, value)) if isinstance(value, tuple) else None if value is None else change(value)

    return replace(trace, **{name: new(getattr(trace, name)) for name in of})


def rebuilt(trace: Trace, numbers: list[Tensor]) -> Trace:
    """The trace with other numbers, as `tensors` lists them."""
    rest = iter(numbers)
    return changed(trace, lambda _: next(rest))


def of_rows(batch: Batch, rows: list[int], kind: TaskKind) -> Batch:
    """Some rows."""
    index = torch.tensor(rows)
    traces = (
        replace(changed(trace, lambda tensor: tensor[index]), mask=trace.mask[index])
        for trace in (batch.student, batch.teacher)
    )
    if kind != "token-classification":
        return Batch(*traces, batch.labels[index])
    parts = batch.labels.split(list(LENGTHS))
    return Batch(*traces, torch.cat([parts[row] for row in rows]))


def in_numpy(trace: Trace) -> Numbers:
    """Of a text model."""

    def unpadded(tensor: Tensor, axes: int) -> list[Floats]:
        return [
            row[(..., *(slice(n) for _ in range(axes)), *([slice(None)] if axes == 1 else []))]
            for row, n in zip(tensor.detach().numpy(), LENGTHS, strict=True)
        ]

    hidden = [unpadded(state, 1) for state in trace.hidden]
    scores = [unpadded(scores, 2) for scores in trace.scores if scores is not None]
    return Numbers(trace.logits.detach().numpy(), hidden, scores)


class ObjectiveContract:
    """Tests of any `compressor.distill.objectives.Objective`."""

    name: str
    matches_layers: bool
    at_teacher: tuple[Mapping[str, float], float] | None

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        """Loss of every row of a text classification, computed in another way; usual parameters."""
        raise NotImplementedError

    @property
    def kind(self) -> type[Objective]:
        return get_objective(self.name)

    def made(self, shapes: Setting, **parameters: float) -> Objective:
        return self.kind(shapes, **parameters).double()

    def settings(self) -> Iterator[Setting]:
        """Every task that it is for, with every student."""
        for task in self.kind.tasks:
            for student in STUDENTS.values():
                yield setting(student, task, scale=1.7)

    def loss(self, shapes: Setting, batch: Batch, progress: float) -> Tensor:
        found: Tensor = self.made(shapes)(batch.student, batch.teacher, batch.labels, progress)
        return found

    @pytest.mark.parametrize("progress", PROGRESS)
    def test_it_is_the_sum_over_rows_of_the_formula(self, progress: float) -> None:
        shapes = setting(FEWER_LAYERS, "text-classification")
        batch = random_batch(shapes)
        numbers = (in_numpy(trace) for trace in (batch.student, batch.teacher))
        expected = self.reference(*numbers, batch.labels.numpy(), progress)
        assert expected.shape == (len(LENGTHS),)
        assert expected.min() > 1e-3
        found = self.loss(shapes, batch, progress)
        assert found.shape == ()
        # A projection that begins as the mean of three has a third in float32.
        assert found.item() == pytest.approx(expected.sum(), rel=1e-6)

    @pytest.mark.parametrize("progress", PROGRESS)
    def test_its_gradient_is_that_of_its_values(self, progress: float) -> None:
        """With respect to what it reads of the student, and to its projections."""
        for shapes in self.settings():
            objective, batch = self.made(shapes), random_batch(shapes)
            read = [tensor.requires_grad_() for tensor in tensors(batch.student)]
            own = dict(objective.named_parameters())

            def of(
                *numbers: Tensor,
                objective: Objective = objective,
                batch: Batch = batch,
                progress: float = progress,
                names: tuple[str, ...] = tuple(own),
                count: int = len(read),
            ) -> Tensor:
                student = rebuilt(batch.student, list(numbers[:count]))
                parameters = dict(zip(names, numbers[count:], strict=True))
                given = (student, batch.teacher, batch.labels, progress)
                found: Tensor = functional_call(objective, parameters, given)
                return found

            assert torch.autograd.gradcheck(of, [*read, *own.values()], fast_mode=True)

    def test_only_the_student_gets_a_gradient(self) -> None:
        for shapes in self.settings():
            batch = random_batch(shapes)
            ours, theirs = tensors(batch.student), tensors(batch.teacher)
            for tensor in (*ours, *theirs):
                tensor.requires_grad_()
            self.loss(shapes, batch, 0.0).backward()
            assert all(tensor.grad is None for tensor in theirs)
            assert max(tensor.grad.abs().max() for tensor in ours if tensor.grad is not None) > 1e-4

    @pytest.mark.parametrize("progress", PROGRESS)
    def test_it_is_a_sum_over_rows_in_any_order(self, progress: float) -> None:
        for shapes in self.settings():
            batch = random_batch(shapes)
            objective = self.made(shapes)

            def of(
                rows: list[int], objective: Objective = objective, batch: Batch = batch, shapes: Setting = shapes
            ) -> float:
                some = of_rows(batch, rows, shapes.kind)
                found: float = objective(some.student, some.teacher, some.labels, progress).item()
                return found

            whole = of([0, 1, 2, 3, 4, 5])
            assert of([0, 1, 2]) + of([3, 4, 5]) == pytest.approx(whole, rel=1e-9)
            assert sum(of([row]) for row in range(6)) == pytest.approx(whole, rel=1e-9)
            assert of([3, 0, 5, 1, 4, 2]) == pytest.approx(whole, rel=1e-9)

    @pytest.mark.parametrize("progress", PROGRESS)
    def test_padding_counts_for_nothing(self, progress: float) -> None:
        for shapes in self.settings():
            batch = random_batch(shapes)
            padded = batch.student.mask == 0

            def spoilt(tensor: Tensor, padded: Tensor = padded) -> Tensor:
                new = tensor.clone()
                if tensor.dim() == 4:  # scores: whoever asks, or is asked about
                    new[(padded[:, None, :, None] | padded[:, None, None, :]).expand_as(new)] = 1e3
                elif tensor.dim() == 3:
                    new[padded] = 1e3
                return new

            other = Batch(changed(batch.student, spoilt), changed(batch.teacher, spoilt), batch.labels)
            assert self.loss(shapes, other, progress).item() == self.loss(shapes, batch, progress).item()

    @pytest.mark.parametrize("progress", PROGRESS)
    def test_a_token_without_a_label_is_not_answered(self, progress: float) -> None:
        if "token-classification" not in self.kind.tasks:
            return
        shapes = setting(FEWER_LAYERS, "token-classification")
        batch = random_batch(shapes)
        unlabelled = torch.zeros_like(batch.student.mask, dtype=torch.bool)
        unlabelled[batch.student.mask.bool()] = batch.labels == -100
        assert unlabelled.any()

        def spoilt(trace: Trace, factor: float) -> Trace:
            logits = trace.logits.clone()
            logits[unlabelled] = factor * torch.arange(CLASSES, dtype=logits.dtype)
            return replace(trace, logits=logits)

        other = Batch(spoilt(batch.student, 9.0), spoilt(batch.teacher, -9.0), batch.labels)
        assert self.loss(shapes, other, progress).item() == self.loss(shapes, batch, progress).item()

    def test_a_student_that_is_its_teacher_loses_nothing_where_that_holds(self) -> None:
        parameters, progress = self.at_teacher or ({}, 0.0)
        for task in self.kind.tasks:
            shapes = setting(TEACHER, task)
            batch = random_batch(shapes)
            student = changed(batch.teacher, lambda tensor: tensor.clone().requires_grad_())
            found = self.made(shapes, **parameters)(student, batch.teacher, batch.labels, progress)
            if self.at_teacher is None:
                assert found.item() > 0.1
                continue
            found.backward()
            assert found.item() == pytest.approx(0, abs=1e-9)
            assert all(tensor.grad.abs().max() < 1e-9 for tensor in tensors(student) if tensor.grad is not None)

    def test_projections_are_learned_along(self) -> None:
        for shapes in self.settings():
            objective, batch = self.made(shapes), random_batch(shapes)
            student = changed(batch.student, lambda tensor: tensor.requires_grad_())
            objective(student, batch.teacher, batch.labels, 0.0).backward()
            assert all(parameter.grad.abs().max() > 0 for parameter in objective.parameters())
            assert all(
                torch.equal(a, b) for a, b in zip(objective.parameters(), self.made(shapes).parameters(), strict=True)
            )

    def test_it_reads_what_it_says_and_nothing_else(self) -> None:
        shapes = setting(FEWER_LAYERS, self.kind.tasks[0])
        batch, needs = random_batch(shapes), self.kind.needs
        other = random_batch(shapes, seed=1)
        spoilt = {
            "labels": replace(batch, labels=(batch.labels + 1) % CLASSES),
            "teacher's logits": replace(batch, teacher=replace(batch.teacher, logits=other.teacher.logits)),
            "hidden states": replace(batch, teacher=replace(batch.teacher, hidden=other.teacher.hidden)),
            "attention scores": replace(batch, teacher=replace(batch.teacher, scores=other.teacher.scores)),
        }
        for need, changed_batch in spoilt.items():
            same = [
                self.loss(shapes, changed_batch, progress).item() == self.loss(shapes, batch, progress).item()
                for progress in PROGRESS
            ]
            assert all(same) == (need not in needs), need
            for progress, equal in zip(PROGRESS, same, strict=True):
                assert equal or need in self.made(shapes).needs_at(progress), (need, progress)
        if not needs & {"hidden states", "attention scores"}:
            bare = Batch(
                Trace(batch.student.logits, batch.student.mask),
                Trace(batch.teacher.logits, batch.teacher.mask),
                batch.labels,
            )
            assert self.loss(shapes, bare, 0.0).item() == self.loss(shapes, batch, 0.0).item()

    def test_a_student_deeper_than_its_teacher(self) -> None:
        deep = setting(Sizes((6,) * 6, (3,) * 5, CLASSES), self.kind.tasks[0])
        assert self.kind.in_order(defaults(self.kind)) == self.matches_layers
        if not self.matches_layers:
            assert self.loss(deep, random_batch(deep), 0.0).item() > 0
            return
        with pytest.raises(
            InputError, match=rf"--distill {self.name} .* expected a student of 1 to 4 layers.*found 5"
        ):
            self.made(deep)

    def test_other_tasks_are_refused(self) -> None:
        recipe = DistillRecipe.named(self.name)
        for task in TASK_KINDS:
            if task in self.kind.tasks:
                assert self.name in [term.name for term in completed(recipe, task).terms]
            else:
                with pytest.raises(InputError, match=rf"--distill {self.name}: expected a task of .*, found {task}"):
                    completed(recipe, task)

    def test_its_parameters_have_ranges_and_usual_values_in_them(self) -> None:
        signature = inspect.signature(self.kind)
        assert set(self.kind.ranges) == set(signature.parameters) - {"setting"}
        assert all(value in self.kind.ranges[name] for name, value in defaults(self.kind).items())

    def test_it_says_what_it_is(self) -> None:
        assert self.kind.source
        assert self.kind.needs == self.kind.needs_of(defaults(self.kind))
        assert self.kind.__doc__


def log_softmax(x: Floats) -> Floats:
    """Over the last axis."""
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def cross_entropy(student: Floats, labels: Ints) -> Floats:
    """[rows]."""
    return -log_softmax(student)[np.arange(len(labels)), labels]


def divergence(teacher: Floats, student: Floats, temperature: float = 1.0) -> Floats:
    """T^2 KL(teacher || student) of logits, [rows]."""
    log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    return temperature**2 * (np.exp(log_p) * (log_p - log_q)).sum(-1)


def first_tokens(numbers: Numbers, layer: int) -> Floats:
    """[rows, width]."""
    return np.stack([states[0] for states in numbers.hidden[layer]])
