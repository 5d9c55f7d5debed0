"""Search algorithms, one file each; a new one is its file and a line in `ENTRIES`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe
from compressor.records.method import Method
from compressor.records.suggestion import did_you_mean
from compressor.records.task import TaskKind
from compressor.search.base import Searcher, SearchProblem, Solution
from compressor.search.evolution import evolution
from compressor.search.exact import cheapest_us, exact_search
from compressor.search.kd_nas import kd_nas
from compressor.search.macro import EpisodicSearch
from compressor.search.plain import depths_of_finalists, fewer_layers_search, solution_of, uniform_search
from compressor.search.random_search import random_search

Kind = Literal["cuts", "plain", "shapes", "cells"]


@dataclass(frozen=True)
class Entry:
    """One search.

    Attributes:
        kind: What it looks through: "cuts" of a network; those that are "plain", which a user would try by hand, in
            the race of the finalists and as yardsticks; whole plain "shapes", by trying some; "cells", from scratch.
        method: The search in words.
        function: A `Searcher` of cuts, an `EpisodicSearch` of shapes; None = the stage that searches cells has it.
        losses: What its students are trained with, where nobody says; for tasks that are not there the default loss.
    """

    kind: Kind
    method: Method
    function: Searcher | EpisodicSearch | None = None
    losses: Mapping[TaskKind, str] = field(default_factory=dict)


EXACT, NAS_KD = "exact", "nas-kd"
UNIFORM = "uniform-"  # and a number of layers
# The paper's own loss where there are classes.
USUAL_LOSS: dict[TaskKind, str] = {
    "text-classification": "nas-kd",
    "token-classification": "nas-kd",
    "regression": "logit-mse",
}
SCORES, TRIES = "latency table, damage of every width", "latency tables of every width and activation, short trainings"
ENTRIES = (
    Entry(
        "cuts",
        Method(
            EXACT,
            "the widths with the least damage within the limit; in a race with plain ones",
            "knapsack by dynamic programming, as SPDY (Frantar and Alistarh 2022), section 3.2",
            SCORES,
        ),
        exact_search,
    ),
    Entry(
        "cells",
        Method(
            NAS_KD,
            "cells of mixed blocks, from scratch",
            "Zhang et al. 2020, ICPR, poster; DARTS, arXiv 1806.09055",
            "latency table of the blocks, the teacher in every step",
        ),
        losses=USUAL_LOSS,
    ),
    Entry(
        "shapes",
        Method(
            "kd-nas", "plain shapes, a learned controller says which", "Trivedi et al. 2023, arXiv 2303.09639", TRIES
        ),
        kd_nas,
    ),
    Entry(
        "shapes",
        Method(
            "evolution", "plain shapes, changes of good ones", "Real et al. 2019, arXiv 1802.01548, algorithm 1", TRIES
        ),
        evolution,
    ),
    Entry(
        "shapes",
        Method("random", "plain shapes, drawn evenly", "Li and Talwalkar 2019, arXiv 1902.07638", TRIES),
        random_search,
    ),
    Entry(
        "plain",
        Method("uniform", "the same widths in evenly spaced layers", "what a user would try by hand", SCORES),
        uniform_search,
    ),
    Entry(
        "plain",
        Method("fewer-layers", "as many whole layers as fit", "what a user would try by hand", SCORES),
        fewer_layers_search,
    ),
)
SEARCHES = {entry.method.name: entry for entry in ENTRIES}


def _functions(kind: Kind) -> dict[str, Any]:
    return {name: entry.function for name, entry in SEARCHES.items() if entry.kind == kind}


SEARCHERS: dict[str, Searcher] = _functions("cuts")
PLAIN: dict[str, Searcher] = _functions("plain")
EPISODIC: dict[str, EpisodicSearch] = _functions("shapes")


def kind_of(name: str) -> Kind:
    """What a search looks through.

    Raises:
        InputError: There is none of that name; the message has the nearest.
    """
    if name in SEARCHES:
        return SEARCHES[name].kind
    get_searcher(name)  # one of a number of layers, or none
    return "plain"


def get_searcher(name: str) -> Searcher:
    """A search of the cuts of a network by its name.

    Raises:
        InputError: There is none; the message names all, the nearest first.
    """
    every = {**SEARCHERS, **PLAIN}
    depth = name.removeprefix(UNIFORM)
    if name.startswith(UNIFORM) and depth.isdecimal() and int(depth) > 0:
        return partial(uniform_search, depth=int(depth))
    if name not in every:
        hint = did_you_mean(name, SEARCHES)
        raise InputError(f"--search: expected one of {', '.join(SEARCHES)}, uniform-N (N layers), got {name!r}{hint}")
    return every[name]


def usual_losses(name: str, kind: TaskKind) -> DistillRecipe | None:
    """What students of a search are trained with, where nobody says; None = the default loss.

    Args:
        name: Of the search.
        kind: Of the task.
    """
    loss = SEARCHES[name].losses.get(kind) if name in SEARCHES else None
    return None if loss is None else DistillRecipe.named(loss)


def methods() -> tuple[Method, ...]:
    """All searches in words."""
    return tuple(entry.method for entry in ENTRIES)


def finalists(problem: SearchProblem) -> tuple[str, ...]:
    """Names of the plain searches whose solutions are worth a race, the likeliest first."""
    whole = solution_of(problem, problem.space.widths)
    depths = depths_of_finalists(len(problem.space.layers), allowed=problem.limit_us / whole.cost_us)
    return (*(f"{UNIFORM}{depth}" for depth in depths), "fewer-layers")


__all__ = [
    "EPISODIC",
    "EXACT",
    "NAS_KD",
    "PLAIN",
    "SEARCHERS",
    "SEARCHES",
    "USUAL_LOSS",
    "EpisodicSearch",
    "Kind",
    "SearchProblem",
    "Searcher",
    "Solution",
    "cheapest_us",
    "exact_search",
    "finalists",
    "get_searcher",
    "kind_of",
    "methods",
    "usual_losses",
]
