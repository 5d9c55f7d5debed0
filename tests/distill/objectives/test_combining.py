"""Recipes: what is filled in, what is refused and why, and that the losses are summed with their weights."""

import pytest
import torch
from contracts.objective_contract import FEWER_LAYERS, NARROW, random_batch, setting

from compressor.distill.objectives import (
    OBJECTIVES,
    Combined,
    by_assistant,
    completed,
    deepest,
    get_objective,
    in_order,
    methods,
    needs_of,
)
from compressor.encoder import Sizes
from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.task import TASK_KINDS, TaskKind


def recipe(*names: str, **weights: float) -> DistillRecipe:
    """Losses, with these weights where given."""
    return DistillRecipe(tuple(LossTerm(name, weights.get(name.replace("-", "_"))) for name in names))


def test_every_loss_alone_makes_a_training_of_every_task_that_it_is_for() -> None:
    for name, objective in OBJECTIVES.items():
        for kind in objective.tasks:
            found = completed(DistillRecipe.named(name), kind)
            shapes = setting(FEWER_LAYERS, kind)
            batch, combined = random_batch(shapes), Combined(found, shapes).double()
            logits = batch.student.logits.requires_grad_()
            totals = [combined(batch.student, batch.teacher, batch.labels, progress) for progress in (0.0, 0.9)]
            torch.stack(totals).sum().backward()
            assert logits.grad is not None, name  # somebody trains the outputs
            assert all(term.weight is not None for term in found.terms)
            assert completed(found, kind) == found


def test_usual_values_are_filled_in() -> None:
    given = DistillRecipe((LossTerm("vanilla-kd", None, (("temperature", 4.0),)),))
    assert completed(given).terms == (LossTerm("vanilla-kd", 1.0, (("alpha", 0.7), ("temperature", 4.0))),)
    assert str(completed(given)) == "1 x vanilla-kd (alpha 0.7, temperature 4)"


def test_a_loss_on_hidden_states_gets_the_one_that_its_paper_has_beside_it() -> None:
    assert str(completed(recipe("pkd-skip"))) == "1 x vanilla-kd (alpha 0.5, temperature 10) + 0.1 x pkd-skip"
    assert str(completed(recipe("ckd-po"))) == "0.3 x vanilla-kd (alpha 0.666667, temperature 5) + 0.7 x ckd-po"
    assert str(completed(recipe("alp-kd"), "regression")) == "1 x logit-mse + 0.7 x alp-kd"
    both = completed(recipe("logit-mse", "pkd-last", pkd_last=3.0))
    assert str(both) == "1 x logit-mse + 3 x pkd-last"


def test_the_losses_are_summed_with_their_weights() -> None:
    shapes = setting(NARROW, "text-classification")
    batch = random_batch(shapes)
    found = completed(recipe("nas-kd", "alp-kd", nas_kd=2.0, alp_kd=0.5))
    combined = Combined(found, shapes).double()(batch.student, batch.teacher, batch.labels, 0.0)
    parts = [
        get_objective(name)(shapes).double()(batch.student, batch.teacher, batch.labels, 0.0)
        for name in ("nas-kd", "alp-kd")
    ]
    torch.testing.assert_close(combined, 2.0 * parts[0] + 0.5 * parts[1])
    assert needs_of(found) == {"labels", "teacher's logits", "hidden states"}


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ((LossTerm("vanila-kd"),), r"expected one of vanilla-kd, .*found 'vanila-kd'; did you mean 'vanilla-kd'\?"),
        ((LossTerm("nonsense"),), r"or a recipe in YAML, found 'nonsense'$"),
        (
            (LossTerm("vanilla-kd", 1.0, (("temprature", 2.0),)),),
            r"expected some of weight, temperature, alpha, found 'temprature'; did you mean 'temperature'\?",
        ),
        ((LossTerm("logit-mse", 1.0, (("alpha", 0.5),)),), "logit-mse: expected some of weight, found 'alpha'"),
        ((LossTerm("vanilla-kd", 1.0, (("alpha", 1.5),)),), "alpha: expected at least 0 and at most 1, found 1.5"),
        ((LossTerm("vanilla-kd", 1.0, (("temperature", 0.0),)),), "temperature: expected more than 0, found 0"),
        ((LossTerm("vanilla-kd", 1.0, (("temperature", float("nan")),)),), "temperature: .* found nan"),
        ((LossTerm("annealing-kd", 1.0, (("tau", 2.5),)),), "tau: expected a whole number of at least 1, found 2.5"),
        ((LossTerm("annealing-kd", 1.0, (("tau", float("inf")),)),), "tau: .* found inf"),
        (
            (LossTerm("tinybert", 1.0, (("inside", 1.0),)),),
            "inside: expected more than 0 and less than 1, found 1",
        ),
        (
            (LossTerm("label-smoothing", 1.0, (("epsilon", 1.0),)),),
            "epsilon: expected at least 0 and less than 1, found 1",
        ),
        (
            (LossTerm("annealing-kd"), LossTerm("tinybert")),
            "annealing-kd decides by itself when .* found tinybert; leave one out",
        ),
        ((LossTerm("logit-mse"), LossTerm("tinybert")), "tinybert decides by itself when .* found logit-mse"),
        (
            (LossTerm("vanilla-kd"), LossTerm("label-smoothing")),
            "one loss that reads the labels, found vanilla-kd and label-smoothing, .*`alpha: 1` for vanilla-kd",
        ),
        (
            (LossTerm("nas-kd"), LossTerm("born-again")),
            "found nas-kd and born-again, .* leave one out, or set `alpha: 1` for nas-kd$",
        ),
        ((LossTerm("teacher-free"), LossTerm("born-again")), "found teacher-free and born-again, .* leave one out$"),
        (
            (LossTerm("nas-kd"), LossTerm("vanilla-kd"), LossTerm("teacher-free")),
            "found nas-kd and vanilla-kd and teacher-free, .* `alpha: 1` for nas-kd or vanilla-kd$",
        ),
    ],
)
def test_recipes_that_cannot_be_trained_are_refused(terms: tuple[LossTerm, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"--distill.*{message}"):
        completed(DistillRecipe(terms))


@pytest.mark.parametrize(
    "terms",
    [
        (LossTerm("label-smoothing"), LossTerm("logit-mse")),
        (LossTerm("label-smoothing"), LossTerm("vanilla-kd", 1.0, (("alpha", 1.0),))),
        (LossTerm("label-smoothing"), LossTerm("nas-kd", 1.0, (("alpha", 1.0),))),
        (LossTerm("born-again"), LossTerm("teacher-assistant", 1.0, (("alpha", 1.0),))),
        (LossTerm("pkd-skip"), LossTerm("ckd-no"), LossTerm("logit-mse")),
        (LossTerm("annealing-kd"), LossTerm("pkd-skip")),
        (LossTerm("vanilla-kd"), LossTerm("pkd-skip"), LossTerm("pkd-last"), LossTerm("ckd-no")),
    ],
)
def test_recipes_that_go_together_stay_as_they_are(terms: tuple[LossTerm, ...]) -> None:
    assert [term.name for term in completed(DistillRecipe(terms)).terms] == [term.name for term in terms]


@pytest.mark.parametrize("names", [("pkd-skip", "ckd-no"), ("ckd-no", "pkd-skip"), ("alp-kd", "ckd-no", "pkd-last")])
def test_papers_with_different_losses_beside_them_need_one_that_is_named(names: tuple[str, ...]) -> None:
    """Whichever is written first; of a regression they have the same."""
    first, last = names[0], names[-1]
    with pytest.raises(
        InputError,
        match=rf"--distill {first} and {last}: .* on the outputs beside them, .* x vanilla-kd .*; add the one",
    ):
        completed(recipe(*names), "text-classification")
    assert [term.name for term in completed(recipe(*names), "regression").terms] == ["logit-mse", *names]
    assert len(completed(recipe(*names)).terms) == len(names) + 1  # the task is not known yet
    same = [
        str(completed(recipe(*pair), "text-classification").terms[0]) for pair in (("alp-kd", "ckd-no"), ("ckd-no",))
    ]
    assert same[0] == same[1]


def test_the_deepest_student_is_as_deep_as_the_teacher_where_layers_are_matched() -> None:
    assert deepest(completed(recipe("vanilla-kd")), 6) is None
    assert deepest(completed(recipe("alp-kd")), 6) is None
    assert deepest(completed(recipe("logit-mse", "ckd-no")), 6) == 6
    assert in_order(completed(recipe("nas-kd", "alp-kd", "ckd-no"))) == ("nas-kd", "ckd-no")
    without = DistillRecipe((LossTerm("nas-kd", 1.0, (("beta", 0.0),)),))
    assert deepest(completed(without), 1) is None


def test_what_is_read_becomes_less_on_the_way() -> None:
    shapes = setting(FEWER_LAYERS, "text-classification")
    every = {"teacher's logits", "hidden states", "attention scores"}
    tinybert = Combined(completed(recipe("tinybert")), shapes)
    assert [tinybert.needs_at(progress) for progress in (0.0, 0.74, 0.75)] == [every, every, {"teacher's logits"}]
    both = Combined(completed(recipe("tinybert", "pkd-skip")), shapes)
    assert both.needs_at(0.9) == {"teacher's logits", "hidden states"}
    states = DistillRecipe((LossTerm("tinybert", 1.0, (("attention", 0.0),)),))
    assert Combined(completed(states), shapes).needs_at(0.0) == {"teacher's logits", "hidden states"}


def test_a_recipe_is_settled_when_all_of_it_is() -> None:
    shapes = setting(FEWER_LAYERS, "text-classification")
    found = {name: Combined(completed(recipe(name)), shapes).settled for name in OBJECTIVES}
    assert {name for name, settled in found.items() if settled} == {"annealing-kd", "tinybert"}
    assert found["tinybert"] == 0.75
    assert found["annealing-kd"] == pytest.approx(0.6)
    assert Combined(completed(recipe("tinybert", "pkd-skip")), shapes).settled == 0.75


def test_one_loss_learns_from_what_a_student_was_cut_out_of() -> None:
    assert [name for name in OBJECTIVES if by_assistant(completed(DistillRecipe.named(name)))] == ["teacher-assistant"]


@pytest.mark.parametrize("kind", TASK_KINDS)
def test_classes_are_no_scores(kind: TaskKind) -> None:
    if kind != "regression":
        assert completed(recipe("vanilla-kd"), kind)
        return
    with pytest.raises(InputError, match="vanilla-kd: expected a task of text-classification or token-classification"):
        completed(recipe("vanilla-kd"), kind)


def test_student_and_teacher_have_the_same_outputs() -> None:
    with pytest.raises(InputError, match="expected 3 outputs as the teacher has, found 2"):
        setting(Sizes((6, 6), (3,), 2), "text-classification")


def test_the_list_has_every_loss_with_its_source() -> None:
    found = {method.name: method for method in methods()}
    assert set(found) == set(OBJECTIVES)
    assert all(method.what and method.source and method.needs for method in found.values())
    assert found["pkd-skip"].needs == "hidden states; vanilla-kd beside it"
    assert found["teacher-assistant"].needs == "labels, teacher's logits; classes; every cut in two"
    assert found["vanilla-kd"].parameters == "weight 1, temperature 5, alpha 0.7"
