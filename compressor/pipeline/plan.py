"""What a run will probably do and take, before it starts.

    label   = tokens that are trained on / teacher tokens per second, measured for a second
    score   = tokens that cuts are fitted and judged on x passes x share of the engine / the same speed
    distil  = rows seen x tokens per row x 3 passes x share of the teacher / the same speed, fitted into the budget;
              where losses read its hidden states, a pass of the teacher too
    export, verify, compare: see `closing.py`

The rest are times of stages that hardly depend on the teacher, as measured on 4 cores of a Zen 4 server.
"""

from dataclasses import dataclass, replace

from compressor.distill.recipe import (
    RACE_ROWS,
    RACE_SHARE,
    WHOLE,
    batch_of,
    copies_of,
    joined_of,
    rows_of,
    wanted_steps,
)
from compressor.pipeline.answering import tokens_per_second
from compressor.pipeline.closing import closing_seconds
from compressor.pipeline.distilling import reserved_seconds
from compressor.pipeline.forecast import Forecast
from compressor.pipeline.labelling import length_ratio, makes_copies
from compressor.pipeline.memory import ladder_bytes
from compressor.pipeline.scoring import DAMAGE_SHARE, damage_rows, fitting_tokens
from compressor.pipeline.searching import SEARCH_SHARE
from compressor.pipeline.workbench import Workbench
from compressor.profiles import available_memory
from compressor.records.units import format_seconds
from compressor.score import passes_per_row
from compressor.search import Kind, kind_of

FINALISTS = 5
TYPICAL_SECONDS = {"prepare": 8.0, "ladder": 15.0, "table": 25.0, "search": 45.0}
BEFORE = ("prepare", "ladder")
# What makes a student, by what its search looks through; and the latency tables of that.
CUT = ("table", "label", "score", "search", "race", "distil")
STUDENT_STAGES: dict[Kind, tuple[str, ...]] = {
    "cuts": CUT,
    "plain": CUT,
    "shapes": ("table", "label", "score", "search", "distil"),
    "cells": ("table", "label", "search", "distil"),
}
TABLES: dict[Kind, int] = {"cuts": 1, "plain": 1, "shapes": 4, "cells": 1}
# A step's time over the teacher's forward pass: the student has about half the arithmetic, in products that are less
# efficient the smaller they are, and every step ends with an exchange of gradients and an update.
STUDENT_SHARE = 0.8
# A pass of torch over one of the engine; the passes forward and backward that order the units and fit projections.
SCORING_SHARE, FITTING_PASSES = 2.0, 5


@dataclass(frozen=True)
class PlannedStage:
    """A stage, its estimated time, and whether it runs only where the unpruned teacher does not fit."""

    name: str
    seconds: float
    if_needed: bool


@dataclass(frozen=True)
class Plan:
    """Estimates for a whole run; with a `forecast` where nothing else was asked for: a run measures its ladder."""

    stages: tuple[PlannedStage, ...]
    memory_bytes: int
    available_bytes: int
    time_budget_s: float
    forecast: Forecast | None = None

    @property
    def seconds(self) -> float:
        """With a student."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def seconds_without_student(self) -> float:
        """If the compiled teacher keeps the promises."""
        return sum(stage.seconds for stage in self.stages if not stage.if_needed)

    @property
    def summary(self) -> str:
        """One line for people."""
        if not any(stage.if_needed for stage in self.stages):
            return (
                f"about {format_seconds(self.seconds)}: compiled and quantised only, the teacher's family cannot be "
                f"cut; {self.memory_bytes / 1e9:.1f} GB of memory"
            )
        short = "" if self.seconds <= self.time_budget_s else " (more than the budget: only the training can give way)"
        return (
            f"about {format_seconds(self.seconds_without_student)} if the compiled teacher keeps the promises, else "
            f"about {format_seconds(self.seconds)} of {format_seconds(self.time_budget_s)}{short}; "
            f"{self.memory_bytes / 1e9:.1f} GB of memory, {self.available_bytes / 1e9:.1f} GB are available"
        )


def make_plan(bench: Workbench) -> Plan:
    """Measure the teacher's speed on real text and derive the rest."""
    speed, per_row = tokens_per_second(bench), float(bench.train.lengths.mean())
    budget, longer = bench.request.time_budget_s, length_ratio(bench)
    per_second = speed / per_row
    rows = rows_of(len(bench.train), rows_per_second=per_second, time_budget_s=budget)
    copies = copies_of(rows, rows_per_second=per_second, time_budget_s=budget, length_ratio=longer)
    copies = copies if makes_copies(bench) else 0
    rows, tokens = (1 + copies) * rows, (1 + copies + joined_of(copies, longer)) * rows * per_row
    passes = 3 * STUDENT_SHARE + (SCORING_SHARE if bench.beside_teacher else 0.0)
    label, row = tokens / speed, tokens / rows * passes / speed
    wanted = wanted_steps(rows) * batch_of(rows) * row
    kind, cannot = kind_of(bench.request.search), bench.teacher.architecture is None
    score = 0.0 if cannot else _score_seconds(bench, speed, judged=kind != "shapes")
    race = min(RACE_SHARE * budget, FINALISTS * RACE_ROWS * row)
    known = {**TYPICAL_SECONDS, "label": label, "score": score, "race": race}
    known["table"] *= TABLES[kind]
    closing, cut = closing_seconds(bench, tokens_per_second=speed), () if cannot else STUDENT_STAGES[kind]
    left = budget - sum(known.get(name, 0.0) for name in (*BEFORE, *cut)) - reserved_seconds(closing)
    if kind in ("shapes", "cells"):
        training = max(0.0, min(SEARCH_SHARE * budget, left - WHOLE.budget * budget))
        known["search"], left = known["search"] + training, left - training
    known["distil"] = max(1.0, min(wanted, left, WHOLE.budget * budget))
    stages = [PlannedStage(name, known[name], name in cut) for name in (*BEFORE, *cut)]
    stages += [PlannedStage(name, seconds, if_needed=False) for name, seconds in closing.items()]
    memory = bench.training_bytes if cut else ladder_bytes(bench.weight_bytes)
    return Plan(tuple(stages), memory, available_memory(), budget)


def _score_seconds(bench: Workbench, tokens_per_second: float, *, judged: bool) -> float:
    """Of ordering the units, and of judging what is left of them."""
    shape, lengths = bench.root.architecture, bench.train.lengths
    per_token = SCORING_SHARE / tokens_per_second
    damage = damage_rows(shape) * float(lengths.mean()) * passes_per_row(shape) * per_token
    fitting = min(fitting_tokens(shape), int(lengths.sum())) * FITTING_PASSES * per_token
    return fitting + (min(damage, DAMAGE_SHARE * bench.request.time_budget_s) if judged else 0.0)


def with_teaching(plan: Plan, *, epochs: float, share: float) -> Plan:
    """The plan of a run that makes its teacher first.

    Args:
        plan: Of the rest.
        epochs: Passes over the training text; a training step takes three times a forward pass.
        share: Of the time budget that the teacher may take at most.
    """
    label = next(stage.seconds for stage in plan.stages if stage.name == "label")
    seconds = min(epochs * 3 * label, share * plan.time_budget_s)
    return replace(plan, stages=(PlannedStage("finetune", seconds, if_needed=False), *plan.stages))
