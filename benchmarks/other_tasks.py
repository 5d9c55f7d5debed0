"""The product on other tasks than SST-2: pairs, a regression, entities; teachers made here, students at 5x.

The teachers are fine-tuned from the demo's encoder, by the product's own `finetune`, and kept under a hash of what
they are made from. The students have the default recipe, one seed, and the length that the pipeline picks.

Every task has its usual metric (of paraphrases the accuracy), and what is limited is the drop. RTE and CoLA have so
few evaluation rows (277 and 1,043) that a drop is mostly chance: there it is the lower end of the drop's paired 95 %
interval, so that only a loss counts that the rows can show. Every row has the drop and both ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import CHECKOUT, ROWS, SHARED, content_hash
from benchmarks.students import Job, Quiet, Way, make_student
from compressor.pipeline.finetune import finetune

WORK = ROWS / "frontier"
SPEED, TIME_BUDGET_S = 5, 900.0
# What a fine-tuned teacher depends on. Not the whole package: a change of the search must not make other teachers.
TEACHER_CODE = [
    CHECKOUT / "compressor" / name for name in ("encoder", "tasks", "teachers", "train", "pipeline/finetune.py")
]


@dataclass(frozen=True)
class Task:
    """One data set.

    Attributes:
        name: Its folder.
        metric: What the drop is measured in.
        epochs: Of the teacher: small sets need more of them for as many steps.
        by_interval: Whether the lower end of the drop's interval is what counts.
    """

    name: str
    metric: str
    epochs: float
    by_interval: bool = False

    @property
    def data(self) -> Path:
        """Its folder."""
        return SHARED / "data" / self.name


# 340 to 670 steps for each teacher; a rule of thumb, not tuned.
TASKS = (
    Task("mrpc", "accuracy", 6),
    Task("cola", "matthews", 5, by_interval=True),
    Task("rte", "accuracy", 10, by_interval=True),
    Task("sts-b", "pearson", 5),
    Task("wnut17", "entity_f1", 10),
)


def teacher_folder(task: Task, encoder: Path) -> Path:
    """Where the task's teacher is kept: under a hash of encoder, data, code and settings."""
    key = content_hash([encoder, task.data, *TEACHER_CODE], [task.metric, task.epochs])
    return WORK / "teachers" / f"{task.name}-{key}"


def make_teacher(task: Task, encoder: Path) -> Path:
    """Folder of the task's teacher, fine-tuned where it is missing."""
    folder = teacher_folder(task, encoder)
    if not folder.exists():  # it is moved there when it is whole
        made = finetune(encoder, task.data, folder, epochs=task.epochs, metric=task.metric, observer=Quiet())
        print(f"      teacher for {task.name}: {made.metric} {made.points:.2f} on {made.eval_split}", flush=True)
    return folder


def settings(task: Task, encoder: Path) -> list[object]:
    """What a row depends on beside the code of the package: encoder and data are in the teacher's name."""
    return [teacher_folder(task, encoder).name, SPEED, TIME_BUDGET_S]


def student_row(task: Task, encoder: Path, *, time_budget_s: float = TIME_BUDGET_S) -> dict[str, Any]:
    """Teacher and student of a task: scores, the drop with its interval, evaluation rows, speed-up."""
    teacher = make_teacher(task, encoder)
    job = Job(teacher, task.data, length=None, metric=task.metric, time_budget_s=time_budget_s)
    facts, _ = make_student(job, Way(), speed_up=SPEED, cache=WORK / "cache")
    return {"task": task.name, **facts, "by_interval": task.by_interval}


def worst_drop(rows: Iterable[Mapping[str, Any]]) -> float:
    """The largest drop of all rows, in points; of rows judged by their interval its lower end."""
    return max(float(row["drop_low"] if row["by_interval"] else row["drop"]) for row in rows)
