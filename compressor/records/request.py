"""What the user asked for, with every default in it."""

from dataclasses import dataclass, field

from compressor.errors import InputError
from compressor.records.architecture import Architecture, Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.promise import Budget
from compressor.records.recipe import Recipe
from compressor.records.task import TaskKind, check_kind

DEFAULT_TIME_BUDGET_S = 1800.0
USUAL_PRECISIONS = (Precision.FP32, Precision.INT8, Precision.INT8_STATIC)


@dataclass(frozen=True)
class Assistant:
    """A student that was trained for a higher limit of the same request.

    Attributes:
        weights: File of its weights.
        architecture: Its own.
    """

    weights: str
    architecture: Architecture


@dataclass(frozen=True)
class CompressRequest:
    """One `compressor compress`.

    Attributes:
        teacher: Folder of the teacher.
        data: Folder of the data.
        target: Name or file of a hardware profile.
        budget: What must be kept.
        batch: Rows per run of the engine.
        sequence_length: Length at which latency is promised; None = from the evaluation split.
        threads: None = from the profile, else all that the process may use.
        precisions: Those that may be used, the least invasive first.
        text_columns: None = by their usual names.
        label_column: None = `label`.
        task: None = as the teacher says.
        metric: None = the task's.
        eval_split: None = `test` with labels, else `dev`.
        search: Name of the search algorithm.
        starts: Folders of networks that are cut beside the teacher.
        assistant: What is cut in the place of the teacher, where there are several limits; None = the teacher.
        recipe: How students are made.
        distill: The losses that they are trained with; None = the teacher's logits at temperature 2.
        time_budget_s: Wall time of the whole run.
        seed: Of everything random.
    """

    teacher: str
    data: str
    target: str = "cpu"
    budget: Budget = field(default_factory=Budget)
    batch: int = 1
    sequence_length: int | None = None
    threads: int | None = None
    precisions: tuple[Precision, ...] = USUAL_PRECISIONS
    text_columns: tuple[str, ...] | None = None
    label_column: str | None = None
    task: TaskKind | None = None
    metric: str | None = None
    eval_split: str | None = None
    search: str = "exact"
    starts: tuple[str, ...] = ()
    assistant: Assistant | None = None
    recipe: Recipe = field(default_factory=Recipe)
    distill: DistillRecipe | None = None
    time_budget_s: float = DEFAULT_TIME_BUDGET_S
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that nothing can be done with."""
        for name, least in (("batch", 1), ("sequence_length", 1), ("threads", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"--{name.replace('_', '-')}: expected at least {least}, got {value}")
        if not self.time_budget_s > 0:
            raise InputError(f"--time-budget: expected more than zero, such as 30m, got {self.time_budget_s:g} s")
        if self.task is not None:
            check_kind(self.task)
