"""Which losses a student is trained with, and how much each of them counts.

    losses:
      vanilla-kd: {weight: 1.0, temperature: 4.0, alpha: 0.7}
      pkd-skip: {weight: 0.1}

What the losses and their parameters are is known to `compressor.distill.objectives`; here is only what was written.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean

LOSSES, WEIGHT = "losses", "weight"


@dataclass(frozen=True)
class LossTerm:
    """One loss of a recipe: `LossTerm("vanilla-kd", 1.0, (("temperature", 4.0),))`.

    Attributes:
        name: Of the loss.
        weight: Factor on it; None = the loss's own.
        parameters: Names and values; those left out have the loss's own values.
    """

    name: str
    weight: float | None = None
    parameters: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        """`0.1 x pkd-skip`, `1 x vanilla-kd (alpha 0.7, temperature 4)`."""
        values = ", ".join(f"{name} {value:g}" for name, value in self.parameters)
        factor = "" if self.weight is None else f"{self.weight:g} x "
        return f"{factor}{self.name}" + (f" ({values})" if values else "")

    @property
    def in_yaml(self) -> str:
        """`pkd-skip: {weight: 0.1}`, `ckd-po:`."""
        weight = () if self.weight is None else ((WEIGHT, self.weight),)
        given = ", ".join(f"{name}: {value!r}" for name, value in (*weight, *self.parameters))
        return f"{self.name}: {{{given}}}" if given else f"{self.name}:"


@dataclass(frozen=True)
class DistillRecipe:
    """The losses that are summed.

    Attributes:
        terms: In the order in which they were given; at least one.
    """

    terms: tuple[LossTerm, ...]

    def __post_init__(self) -> None:
        """Refuse recipes that no training can follow, whatever the losses are."""
        if not self.terms:
            raise InputError("--distill: expected at least one loss, found none; `compressor methods` lists them")
        names = [term.name for term in self.terms]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"--distill: expected every loss once, found {', '.join(twice)} more than once")
        for term in self.terms:
            if term.weight is not None and not 0 < term.weight < math.inf:
                raise InputError(f"--distill {term.name}: expected a weight of more than zero, found {term.weight:g}")

    @classmethod
    def named(cls, *names: str) -> "DistillRecipe":
        """Losses with their own weights and parameters."""
        return cls(tuple(LossTerm(name) for name in names))

    @property
    def is_name(self) -> bool:
        """Whether it is one loss as it is, which the command line takes without a file."""
        return len(self.terms) == 1 and self.terms[0] == LossTerm(self.terms[0].name)

    @property
    def in_yaml(self) -> str:
        """What `recipe_of` reads as this recipe, to the last digit."""
        return "\n".join([f"{LOSSES}:", *(f"  {term.in_yaml}" for term in self.terms)])

    def __str__(self) -> str:
        """`1 x vanilla-kd (alpha 0.5) + 0.1 x pkd-skip`."""
        return " + ".join(map(str, self.terms))


def recipe_of(plain: object, *, where: str) -> DistillRecipe:
    """The recipe that the plain values of a YAML file say.

    Args:
        plain: As read.
        where: The file, for messages.

    Raises:
        InputError: It says something else; the message names the place.
    """
    if not isinstance(plain, Mapping):
        raise InputError(f"{where}: expected `{LOSSES}:` and the names of losses below it, found {_kind(plain)}")
    if unknown := [str(key) for key in plain if key != LOSSES]:
        hint = did_you_mean(unknown[0], (LOSSES,))
        raise InputError(f"{where}: expected `{LOSSES}:` and nothing else at the top, found {unknown[0]!r}{hint}")
    losses = plain.get(LOSSES)
    if not isinstance(losses, Mapping):
        raise InputError(
            f"{where}: expected names of losses below `{LOSSES}:`, such as `vanilla-kd: {{{WEIGHT}: 1.0}}`, found "
            f"{_kind(losses)}"
        )
    return DistillRecipe(tuple(_term(str(name), given, where) for name, given in losses.items()))


def _term(name: str, given: object, where: str) -> LossTerm:
    """A loss and what is written behind its name; nothing = its own weight and parameters."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise InputError(
            f"{where}: {name}: expected its parameters, such as {{{WEIGHT}: 1.0}}, or nothing, found {_kind(given)}"
        )
    values = {str(key): _number(value, f"{where}: {name}: {key}") for key, value in given.items()}
    weight = values.pop(WEIGHT, None)
    return LossTerm(name, weight, tuple(sorted(values.items())))


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what}: expected a number, found {_kind(value)}")
    try:
        return float(value)
    except OverflowError as error:
        raise InputError(f"{what}: expected a number of at most 1.8e308, found a whole one that is larger") from error


def _kind(value: object) -> str:
    """What a value is, in words for messages."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "names with values"
    return "a list" if isinstance(value, list) else repr(value)
