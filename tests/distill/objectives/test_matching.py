"""Projections between student and teacher: where they begin, and what they find in front of a training."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.objective_contract import CLASSES, TEACHER, Batch, changed, random_labels, random_trace, setting
from torch import Tensor

from compressor.distill.objectives import Combined, completed, get_objective
from compressor.distill.objectives.matching import RIDGE, VECTORS_AT_ONCE, Projection, widened
from compressor.encoder import Sizes, Trace
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.task import TASK_KINDS, TaskKind

# A student of four of the teacher's six channels and two of its three heads, all of them in other places. What was
# cut away follows from what is left: [kept, of the teacher].
STUDENT = Sizes((4,) * 5, (2,) * 4, CLASSES)
CHANNELS = torch.tensor(
    [
        [0.0, 0.0, 0.6, 0.0, 1.0, -0.5],
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.5],
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.5],
        [0.0, 1.0, -0.8, 0.0, 0.0, 0.0],
    ],
    dtype=torch.float64,
)
HEADS = torch.tensor([[0.0, -0.3, 1.0], [1.0, 0.7, 0.0]], dtype=torch.float64)


def kept(kind: TaskKind, seed: int) -> Batch:
    """Of that student and its teacher, whose answers are the same; padding holds numbers that would spoil a fit."""
    generator = torch.Generator().manual_seed(seed)
    student = random_trace(STUDENT, kind, generator)
    scores = tuple(torch.einsum("bhqk,ht->btqk", each, HEADS) for each in student.scores if each is not None)
    teacher = Trace(student.logits, student.mask, tuple(state @ CHANNELS for state in student.hidden), scores)
    real = student.mask.bool()

    def spoilt(tensor: Tensor) -> Tensor:
        if tensor.dim() == 4:
            return tensor.where((real[:, :, None] & real[:, None, :])[:, None], tensor + 50)
        return tensor.where(real[..., None], tensor + 50)

    return Batch(changed(student, spoilt, ("hidden", "scores")), teacher, random_labels(kind, generator))


NOTHING_LOST: dict[str, Mapping[str, float]] = {
    "pkd-skip": {},
    "pkd-last": {},
    "nas-kd": {"alpha": 1.0},
    "alp-kd-no": {},
    "ckd-no": {},
    "ckd-po": {},
    "tinybert": {},
}
CASES = [(name, kind) for name in NOTHING_LOST for kind in get_objective(name).tasks]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_student_that_is_a_part_of_its_teacher_loses_nothing_once_it_was_looked_at(
    name: str, kind: TaskKind
) -> None:
    objective = get_objective(name)(setting(STUDENT, kind), **NOTHING_LOST[name]).double()
    batch = kept(kind, 0)

    def loss() -> float:
        return objective(batch.student, batch.teacher, batch.labels, 0.0).item()

    before = loss()
    assert before > 1
    for seed in range(1, 9):  # other rows than those that are judged
        other = kept(kind, seed)
        objective.observe(other.student, other.teacher)
    assert loss() == before
    for module in objective.modules():
        if isinstance(module, Projection):
            module.fit()
    assert loss() < 1e-3 * before


@pytest.mark.parametrize("name", ["alp-kd", "alp-kd-no", "alp-kd-po"])
def test_mixtures_of_layers_find_the_layer_as_far_up(name: str) -> None:
    objective = get_objective(name)(setting(STUDENT, "text-classification")).double()
    for seed in range(1, 9):
        batch = kept("text-classification", seed)
        objective.observe(batch.student, batch.teacher)
    for projection in objective.projections:
        assert isinstance(projection, Projection)
        projection.fit()
        torch.testing.assert_close(projection.weight, CHANNELS.T, rtol=0, atol=0.02)


def test_a_student_deeper_than_its_teacher_is_looked_at_too() -> None:
    deep = replace(STUDENT, widths=(4,) * 13, heads=(2,) * 12)
    shapes = setting(deep, "text-classification")
    generator = torch.Generator().manual_seed(0)
    student, teacher = (random_trace(sizes, shapes.kind, generator) for sizes in (deep, TEACHER))
    objective = get_objective("alp-kd")(shapes).double()
    objective.observe(student, teacher)  # the first layer is nearest to the embeddings, which no layer is
    assert all(projection._moments is not None for projection in objective.projections)


@pytest.mark.parametrize("kind", TASK_KINDS)
def test_all_losses_of_a_recipe_are_shown_and_fitted(kind: TaskKind) -> None:
    terms = (LossTerm("logit-mse"), LossTerm("pkd-skip"), LossTerm("ckd-no"))
    combined = Combined(completed(DistillRecipe(terms), kind), setting(STUDENT, kind)).double()
    assert combined.projects
    begin = [parameter.clone() for parameter in combined.parameters()]
    batch = kept(kind, 1)
    combined.observe(batch.student, batch.teacher)
    combined.fit()
    assert len(begin) == 3 + 4
    assert all(not torch.equal(a, b) for a, b in zip(begin, combined.parameters(), strict=True))
    fitted = [parameter.clone() for parameter in combined.parameters()]
    combined.fit()  # what was observed is forgotten
    assert all(torch.equal(a, b) for a, b in zip(fitted, combined.parameters(), strict=True))


def test_losses_on_outputs_project_nothing() -> None:
    shapes = setting(STUDENT, "text-classification")
    assert not Combined(completed(DistillRecipe.named("born-again")), shapes).projects


def test_a_projection_begins_as_the_mean() -> None:
    wide, narrow = Projection((2, 3), 4), Projection((3,), 2)
    half = [[0.5, 0, 0.5, 0, 0], [0, 0.5, 0, 0.5, 0], [0, 0, 0, 0, 0.5], [0, 0, 0, 0, 0]]
    assert wide.weight.tolist() == half
    assert narrow.weight.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert not isinstance(widened(3, 3), Projection)
    assert isinstance(widened(3, 2), Projection)


def test_it_is_fitted_by_least_squares_towards_where_it_begins() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(50, 3)), random.normal(size=(50, 2))
    projection = Projection((3,), 2).double()
    begin = projection.weight.detach().numpy().copy()
    for part in np.array_split(np.arange(50), 4):
        projection.observe(torch.from_numpy(x[part]), torch.from_numpy(y[part]))
    projection.fit()
    root = np.sqrt(RIDGE * np.square(x).sum() / 3)
    rows = np.concatenate([x, root * np.eye(3)]), np.concatenate([y, root * begin.T])
    expected = np.linalg.lstsq(*rows, rcond=None)[0].T
    np.testing.assert_allclose(projection.weight.detach().numpy(), expected, rtol=1e-9)
    assert projection.weight.requires_grad


def test_what_was_not_seen_stays_as_it_begins() -> None:
    """Fewer vectors than inputs, and a channel that is always zero."""
    projection = Projection((4,), 3).double()
    begin = projection.weight.detach().clone()
    projection.fit()
    assert torch.equal(projection.weight, begin)
    projection.observe(torch.zeros(5, 4, dtype=torch.float64), torch.ones(5, 3, dtype=torch.float64))
    projection.fit()
    assert torch.equal(projection.weight, begin)
    projection.observe(torch.tensor([[0.0, 0.0, 0.0, 2.0]]), torch.tensor([[1.0, 1.0, 1.0]]))
    projection.fit()
    torch.testing.assert_close(projection.weight[:, :3], begin[:, :3])
    torch.testing.assert_close(projection.weight[:, 3], torch.full((3,), 0.5, dtype=torch.float64), rtol=1e-3, atol=0)


def test_many_vectors_are_observed_in_pieces() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(VECTORS_AT_ONCE + 7, 2, generator=generator)
    true = torch.tensor([[0.0, 2.0], [-1.0, 0.5]])
    projection = Projection((2,), 2)
    projection.observe(x.view(1, -1, 2), (x @ true.T).view(1, -1, 2))
    projection.fit()
    torch.testing.assert_close(projection.weight.detach(), true, rtol=0, atol=0.01)
