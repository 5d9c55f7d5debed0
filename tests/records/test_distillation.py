"""Recipes of losses as they are written."""

from pathlib import Path
from typing import Any

import pytest

from compressor.errors import InputError
from compressor.profiles.strict_yaml import read_strict_yaml
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


def test_what_it_is_in_yaml_is_read_as_the_same(tmp_path: Path) -> None:
    parameters = (("alpha", 2 / 3), ("temperature", 1e-9))
    recipe = DistillRecipe((LossTerm("vanilla-kd", 0.1, parameters), LossTerm("pkd-skip"), LossTerm("ckd-no", 3.0)))
    (tmp_path / "losses.yaml").write_text(recipe.in_yaml, encoding="utf-8")
    assert recipe_of(read_strict_yaml(tmp_path / "losses.yaml"), where="f") == recipe
    named = DistillRecipe.named("pkd-skip")
    assert named.in_yaml == "losses:\n  pkd-skip:"
    assert (named.is_name, recipe.is_name, DistillRecipe.named("pkd-skip", "logit-mse").is_name) == (
        True,
        False,
        False,
    )
    assert not DistillRecipe((LossTerm("pkd-skip", 0.2),)).is_name


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
        ({"losses": {"vanilla-kd": {"alpha": 10**400}}}, "vanilla-kd: alpha: expected a number of at most 1.8e308"),
        ({"losses": {"vanilla-kd": {"weight": -(10**400)}}}, "weight: expected a number of at most 1.8e308"),
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
