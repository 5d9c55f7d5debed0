"""Recipes of losses as they are written."""

from typing import Any

import pytest

from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe, LossTerm, recipe_of
from compressor.records.serial import from_json, to_json


def test_a_recipe_says_what_the_file_says() -> None:
    plain = {"losses": {"vanilla-kd": {"weight": 2, "temperature": 4.0, "alpha": 0.7}, "pkd-skip": None}}
    assert recipe_of(plain, where="losses.yaml") == DistillRecipe(
        (LossTerm("vanilla-kd", 2.0, (("alpha", 0.7), ("temperature", 4.0))), LossTerm("pkd-skip"))
    )


def test_the_order_of_parameters_does_not_matter() -> None:
    one, other = (
        recipe_of({"losses": {"vanilla-kd": given}}, where="f")
        for given in ({"alpha": 1, "temperature": 2}, {"temperature": 2, "alpha": 1})
    )
    assert one == other


def test_a_recipe_travels_as_json() -> None:
    recipe = DistillRecipe((LossTerm("vanilla-kd", 2.0, (("alpha", 0.7),)), LossTerm("pkd-skip")))
    assert from_json(DistillRecipe, to_json(recipe)) == recipe
    assert str(recipe) == "2 x vanilla-kd (alpha 0.7) + pkd-skip"


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (None, "f.yaml: expected `losses:` and the names of losses below it, found nothing"),
        (["vanilla-kd"], "f.yaml: expected `losses:` and the names of losses below it, found a list"),
        ("vanilla-kd", "f.yaml: expected `losses:` .* found 'vanilla-kd'"),
        ({"loses": {}}, r"nothing else at the top, found 'loses'; did you mean 'losses'\?"),
        ({"losses": {"vanilla-kd": None}, "seed": 1}, "nothing else at the top, found 'seed'"),
        ({"losses": None}, "expected names of losses below `losses:`, .* found nothing"),
        ({"losses": ["vanilla-kd"]}, "expected names of losses below `losses:`, .* found a list"),
        ({"losses": {}}, "expected at least one loss, found none; `compressor methods` lists them"),
        ({"losses": {"vanilla-kd": 1.0}}, "vanilla-kd: expected its parameters, .* found 1.0"),
        ({"losses": {"vanilla-kd": {"weight": "much"}}}, "vanilla-kd: weight: expected a number, found 'much'"),
        ({"losses": {"vanilla-kd": {"alpha": True}}}, "vanilla-kd: alpha: expected a number, found True"),
        ({"losses": {"vanilla-kd": {"alpha": {"a": 1}}}}, "alpha: expected a number, found names with values"),
        ({"losses": {"vanilla-kd": {"weight": 0}}}, "expected a weight of more than zero, found 0"),
        ({"losses": {"vanilla-kd": {"weight": -1.5}}}, "expected a weight of more than zero, found -1.5"),
        ({"losses": {"vanilla-kd": {"weight": float("inf")}}}, "expected a weight of more than zero, found inf"),
        ({"losses": {"vanilla-kd": {"weight": float("nan")}}}, "expected a weight of more than zero, found nan"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_place(plain: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_of(plain, where="f.yaml")


def test_a_loss_is_given_once() -> None:
    with pytest.raises(InputError, match="every loss once, found pkd-skip more than once"):
        DistillRecipe.named("pkd-skip", "logit-mse", "pkd-skip")
