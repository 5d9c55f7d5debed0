"""The losses in words, for `compressor methods`."""

from typing import get_args

from compressor.distill.objectives.base import EVERY_TASK, Need, Objective
from compressor.distill.objectives.combining import defaults
from compressor.distill.objectives.registry import OBJECTIVES
from compressor.records.method import Method, first_line


def methods() -> tuple[Method, ...]:
    """All losses, in the order of the registry."""
    return tuple(_method(objective) for objective in OBJECTIVES.values())


def _method(objective: type[Objective]) -> Method:
    needs = ", ".join(need for need in get_args(Need) if need in objective.needs)
    if objective.tasks != EVERY_TASK:
        needs += "; classes"
    if objective.by_assistant:
        needs += "; every cut in two"
    if objective.beside is not None:
        needs += f"; {objective.beside.name} beside it"
    values = {"weight": objective.weight, **defaults(objective)}
    return Method(
        name=objective.name,
        what=first_line(objective),
        source=objective.source,
        needs=needs,
        parameters=", ".join(f"{name} {value:g}" for name, value in values.items()),
    )
