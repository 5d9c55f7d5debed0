"""What a distillation loss is: the life of an `Objective`, what it is told, and what it says of itself.

    recipe (names, weights, parameters) -> completed -> Objective(setting, **parameters) -> forward, a batch at a time

An objective is made when the shapes of student and teacher are known, and owns the projections between them; they are
trained along with the student and thrown away with the objective.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from compressor.encoder import Sizes, Trace
from compressor.errors import InputError
from compressor.records.distillation import LossTerm
from compressor.records.task import TASK_KINDS, TaskKind

Need = Literal["labels", "teacher's logits", "hidden states", "attention scores"]

EVERY_TASK = TASK_KINDS
CLASSES: tuple[TaskKind, ...] = ("text-classification", "token-classification")


@dataclass(frozen=True)
class Range:
    """Values that a parameter may have.

    Attributes:
        low: The least.
        high: The most; None = any.
        above: More than `low`, which is not allowed itself.
        below: Less than `high`, which is not allowed itself.
        whole: Whole numbers only.
    """

    low: float
    high: float | None = None
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        if not value < float("inf") or (self.whole and value != int(value)):
            return False
        low = value > self.low if self.above else value >= self.low
        if self.high is None:
            return low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        """`more than 0`, `a whole number of at least 1`, `at least 0 and at most 1`."""
        low = f"more than {self.low:g}" if self.above else f"at least {self.low:g}"
        high = "" if self.high is None else f" and {'less than' if self.below else 'at most'} {self.high:g}"
        return ("a whole number of " if self.whole else "") + low + high


Ranges = Mapping[str, Range]

POSITIVE, SHARE, NOT_NEGATIVE = Range(0, above=True), Range(0, 1), Range(0)
PART = Range(0, 1, above=True, below=True)


@dataclass(frozen=True)
class Setting:
    """What an objective is made for.

    Attributes:
        student: Shape of the student.
        teacher: Shape of the teacher.
        kind: Of the task.
        scale: What a sum over outputs is divided by, so that a row counts as one: the mean tokens of a row for token
            classification, the variance of the targets for a regression, else 1 (see `train.fitting`).

    Raises:
        InputError: Student and teacher answer different questions.
    """

    student: Sizes
    teacher: Sizes
    kind: TaskKind
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.student.classes != self.teacher.classes:
            raise InputError(
                f"a student learns its teacher's answers: expected {self.teacher.classes} outputs as the teacher has, "
                f"found {self.student.classes}"
            )

    @property
    def per_token(self) -> bool:
        """Whether every token is answered."""
        return self.kind == "token-classification"


class Objective(nn.Module):
    """A distillation loss: what a student loses on a batch, SUMMED over its rows.

    A subclass sets what it says of itself below, takes its parameters by name with their usual values, and computes
    `loss`. It gets a teacher without a gradient, and must not read what the mask of a trace hides.

    Attributes:
        name: On the command line and in recipes.
        source: Paper and equation.
        needs: What it reads, at most; see `needs_of`.
        tasks: Kinds that it is defined for.
        ranges: What each of its parameters may be.
        answers: Whether it trains the outputs; else another loss has to, beside it.
        scheduled: Whether it does different things on the way; then nothing else may train the outputs.
        matches_layers: Whether it matches layers in order, so that no student may be deeper than its teacher; see
            `in_order`.
        by_assistant: Whether a student learns from what it was cut out of, so that every cut is made in two.
        weight: Usual factor on it.
        beside: The loss that its paper has beside it, where it does not train the outputs itself.
        trains_tables: Whether embedding tables are trained, too.
        settled: Share of the training from which on the outputs are trained as they are: where a training begins that
            only mends.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    needs: ClassVar[frozenset[Need]]
    tasks: ClassVar[tuple[TaskKind, ...]] = CLASSES
    ranges: ClassVar[Ranges] = {}
    answers: ClassVar[bool] = True
    scheduled: ClassVar[bool] = False
    matches_layers: ClassVar[bool] = False
    by_assistant: ClassVar[bool] = False
    weight: ClassVar[float] = 1.0
    beside: ClassVar[LossTerm | None] = None
    trains_tables: bool = False
    settled: float = 0.0

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting

    @classmethod
    def needs_of(cls, parameters: Mapping[str, float]) -> frozenset[Need]:
        """What it reads with these parameters, all of them given."""
        return cls.needs

    @classmethod
    def in_order(cls, parameters: Mapping[str, float]) -> bool:
        """Whether it matches layers with these parameters, all of them given."""
        return cls.matches_layers

    def needs_at(self, progress: float) -> frozenset[Need]:
        """What it reads, at most, from a share of the training on."""
        return self.needs

    def observe(self, student: Trace, teacher: Trace) -> None:
        """Show its projections what student and teacher compute in front of the training; see `matching`.

        Args:
            student: Of some rows, as in `forward`.
            teacher: Of the same rows.
        """

    def forward(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """Sum of the rows' losses, a scalar.

        Args:
            student: Of a batch; with hidden states and scores only where `needs` has them.
            teacher: Of the same batch; gets no gradient.
            labels: Class ids int64 [batch], of a per-token model [tokens], -100 where nothing counts; values [batch]
                of a regression.
            progress: Share of the training that is done, in [0, 1).
        """
        return self.loss(student, teacher.detached(), labels, progress)

    @abstractmethod
    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """The same of a teacher that is detached."""


def check_depth(name: str, setting: Setting) -> None:
    """Refuse a student whose layers cannot be matched with those of its teacher, in order.

    Raises:
        InputError: It has no layers, or more than the teacher.
    """
    student, teacher = setting.student.layers, setting.teacher.layers
    if not 1 <= student <= teacher:
        instead = "logit-mse" if setting.kind == "regression" else "vanilla-kd"
        raise InputError(
            f"--distill {name} matches layers in order: expected a student of 1 to {teacher} layers, as the teacher "
            f"has, found {student}; use a loss on outputs, such as {instead}, in its place"
        )
