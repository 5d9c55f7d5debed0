"""From the recipe that a user wrote to the loss that is trained on.

    written: losses, some weights, some parameters -> completed: every weight and parameter, and a loss on the outputs

| refused | why |
| --- | --- |
| a loss or parameter that is not known, a value out of its range | |
| a loss that is not defined for the task | |
| a loss with a schedule (annealing-kd, tinybert) beside another one on outputs | it decides when outputs are trained |
| two losses that read the labels | each weighs them against something, together they would count twice |
| losses whose papers have different ones on outputs beside them (pkd and ckd), and none on outputs | which? |

Label smoothing can therefore be had beside `logit-mse`, or beside `vanilla-kd` with `alpha: 1`, which then reads no
labels. Losses that train hidden states only (pkd, alp-kd, ckd) go with everything; where no loss trains the outputs,
the one that their paper has beside them is added: vanilla KD, of a regression least squares on the outputs.
"""

import inspect
import math
from collections.abc import Mapping

from torch import Tensor, nn

from compressor.distill.objectives.base import Need, Objective, Setting
from compressor.distill.objectives.matching import Projection
from compressor.distill.objectives.registry import get_objective
from compressor.encoder import Trace
from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.suggestion import did_you_mean
from compressor.records.task import TaskKind


def completed(recipe: DistillRecipe, kind: TaskKind | None = None) -> DistillRecipe:
    """The recipe with all weights and parameters, and a loss on the outputs.

    Args:
        recipe: As the user wrote it.
        kind: Of the task; None = not known yet, so what depends on it is not looked at.

    Raises:
        InputError: It cannot be trained; see above.
    """
    terms = [_completed(term) for term in recipe.terms]
    if not any(get_objective(term.name).answers for term in terms):
        terms.insert(0, _completed(_beside(terms, kind)))
    for term in terms:
        _check_task(term.name, kind)
    _check_schedules(terms)
    _check_labels(terms)
    return DistillRecipe(tuple(terms))


def needs_of(recipe: DistillRecipe) -> frozenset[Need]:
    """What the losses of a completed recipe read."""
    return frozenset[Need]().union(*(_needs(term) for term in recipe.terms))


def in_order(recipe: DistillRecipe) -> tuple[str, ...]:
    """Names of the losses of a completed recipe that match layers in order."""
    terms = recipe.terms
    return tuple(term.name for term in terms if get_objective(term.name).in_order(dict(term.parameters)))


def deepest(recipe: DistillRecipe, teacher_layers: int) -> int | None:
    """Layers of the deepest student that a completed recipe can train.

    Args:
        recipe: Completed.
        teacher_layers: Of what it learns from.

    Returns:
        None = any number; 0 layers are too few where there is a number.
    """
    return teacher_layers if in_order(recipe) else None


def by_assistant(recipe: DistillRecipe) -> bool:
    """Whether students learn from what they were cut out of, and every cut is made in two."""
    return any(get_objective(term.name).by_assistant for term in recipe.terms)


class Combined(nn.Module):
    """The weighted sum of the losses of a completed recipe.

    Attributes:
        trains_tables: Whether one of them trains embedding tables.
        settled: Share of the training from which on all of them train the outputs as they are.

    Raises:
        InputError: Student and teacher cannot be matched by one of them.
    """

    def __init__(self, recipe: DistillRecipe, setting: Setting) -> None:
        super().__init__()
        every = [get_objective(term.name)(setting, **dict(term.parameters)) for term in recipe.terms]
        self.objectives = nn.ModuleList(every)
        self._every = tuple(every)
        self._needs = [_needs(term) for term in recipe.terms]
        self._weights = [1.0 if term.weight is None else term.weight for term in recipe.terms]
        self.trains_tables = any(objective.trains_tables for objective in every)
        self.settled = max(objective.settled for objective in every)

    def needs_at(self, progress: float) -> frozenset[Need]:
        """What they read from a share of the training on."""
        pairs = zip(self._needs, self._every, strict=True)
        return frozenset[Need]().union(*(needs & objective.needs_at(progress) for needs, objective in pairs))

    @property
    def projects(self) -> bool:
        """Whether there is a projection between student and teacher."""
        return any(isinstance(module, Projection) for module in self.modules())

    def observe(self, student: Trace, teacher: Trace) -> None:
        """As of `Objective`."""
        for objective in self._every:
            objective.observe(student, teacher)

    def fit(self) -> None:
        """Let every projection begin where what was observed is matched best."""
        for module in self.modules():
            if isinstance(module, Projection):
                module.fit()

    def forward(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """As of `Objective`."""
        total = student.logits.new_zeros(())
        for weight, objective in zip(self._weights, self._every, strict=True):
            total = total + weight * objective(student, teacher, labels, progress)
        return total


def defaults(objective: type[Objective]) -> dict[str, float]:
    """Parameters of a loss and their usual values."""
    signature = inspect.signature(objective)
    return {name: float(signature.parameters[name].default) for name in objective.ranges}


def _completed(term: LossTerm) -> LossTerm:
    objective = get_objective(term.name)
    for name, value in term.parameters:
        _check_parameter(objective, name, value)
    values = {**defaults(objective), **dict(term.parameters)}
    weight = objective.weight if term.weight is None else term.weight
    return LossTerm(term.name, weight, tuple(sorted(values.items())))


def _check_parameter(objective: type[Objective], name: str, value: float) -> None:
    known = ("weight", *objective.ranges)
    if name not in objective.ranges:
        hint = did_you_mean(name, known)
        raise InputError(f"--distill {objective.name}: expected some of {', '.join(known)}, found {name!r}{hint}")
    if not math.isfinite(value) or value not in objective.ranges[name]:
        raise InputError(f"--distill {objective.name}: {name}: expected {objective.ranges[name]}, found {value:g}")


def _beside(terms: list[LossTerm], kind: TaskKind | None) -> LossTerm:
    """The loss on outputs that all of these have beside them."""
    if kind == "regression":
        return LossTerm("logit-mse")
    beside = {term.name: get_objective(term.name).beside or LossTerm("vanilla-kd") for term in terms}
    (first, found), *others = beside.items()
    for name, other in others:
        if other != found and kind is not None:
            raise InputError(
                f"--distill {first} and {name}: their papers have different losses on the outputs beside them, "
                f"{found} and {other}: expected one in the recipe, found none; add the one that is wanted"
            )
    return found


def _check_task(name: str, kind: TaskKind | None) -> None:
    tasks = get_objective(name).tasks
    if kind is not None and kind not in tasks:
        raise InputError(
            f"--distill {name}: expected a task of {' or '.join(tasks)}, found {kind}; `compressor methods` lists the "
            "losses and what they are for"
        )


def _check_schedules(terms: list[LossTerm]) -> None:
    on_outputs = [term.name for term in terms if get_objective(term.name).answers]
    scheduled = [name for name in on_outputs if get_objective(name).scheduled]
    if scheduled and len(on_outputs) > 1:
        others = ", ".join(name for name in on_outputs if name != scheduled[0])
        raise InputError(
            f"--distill {scheduled[0]} decides by itself when the outputs are trained: expected no other loss on "
            f"outputs beside it, found {others}; leave one out"
        )


def _check_labels(terms: list[LossTerm]) -> None:
    reading = [term for term in terms if "labels" in _needs(term)]
    if len(reading) > 1:
        without = [term.name for term in reading if _goes_without_labels(term)]
        hint = f", or set `alpha: 1` for {' or '.join(without)}" if without else ""
        raise InputError(
            f"--distill: expected one loss that reads the labels, found {' and '.join(t.name for t in reading)}, so "
            f"that they would count more than once; leave one out{hint}"
        )


def _goes_without_labels(term: LossTerm) -> bool:
    """Whether its `alpha` of 1 leaves the labels out."""
    objective, parameters = get_objective(term.name), {**dict(term.parameters), "alpha": 1.0}
    return "alpha" in objective.ranges and "labels" not in objective.needs_of(parameters)


def _needs(term: LossTerm) -> frozenset[Need]:
    parameters: Mapping[str, float] = dict(term.parameters)
    return get_objective(term.name).needs_of(parameters)
