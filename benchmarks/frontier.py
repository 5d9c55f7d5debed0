"""Accuracy at a speed-up: ours against fewer layers, uniform widths and no distillation; what each part buys.

Teacher MiniLM-L6 for SST-2, one thread, length 56, dev and test pooled (2,693 sentences: the paired standard error of
a difference is about 0.4 points, so means of seeds with an interval). Speed-ups are over the teacher compiled to fp32
with its fastest options, of medians timed in turn; at the end once more, of all students in one sitting, since two
hours here differ by 15 %. The yardsticks have the same limit, rate and time to train; a
student that trains slower takes fewer steps in it, which every row has (`steps`):

| row | architecture | otherwise |
| --- | --- | --- |
| ours | the recipe that the ablation left, each speed's student cut out of the one before, as of several limits | |
| fewer | fewer layers, whole; where none fits, one narrowed evenly | no refit, logits at T = 2 |
| uniform | the same widths in all layers at 5x, in four of six at 12x, in three beyond | no refit, logits at T = 2 |
| labels | as ours | labels in the place of the teacher's answers |

The ablation leaves single parts out of the recipe that there was before it, with refitted projections; the default is
without them since. Other tasks than SST-2 have one row each, at 5x (`other_tasks.py`).

`--full` takes some hours: interrupt it, and go on with `--resume`. `--quick`: train_sentences, two speeds.

    python -m benchmarks.frontier --full --resume
"""

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import Any
from unittest.mock import patch

from benchmarks import other_tasks
from benchmarks.commands import compress
from benchmarks.frontier_figure import draw
from benchmarks.harness import (
    CHECKOUT,
    RESULTS,
    ROWS,
    SHARED,
    Check,
    RowStore,
    arguments,
    content_hash,
    finish,
    gemm_ceiling,
)
from benchmarks.speeds import speeds
from benchmarks.students import Job, Way, make_student
from benchmarks.training_speed import busy_neighbour, flops_share
from compressor.pipeline.demo import encoder_folder
from compressor.records.architecture import Architecture
from compressor.records.recipe import Recipe
from compressor.records.request import Assistant
from compressor.records.serial import load, save

TEACHER, DATA = SHARED / "models" / "minilm-l6-sst2", SHARED / "data" / "sst2"
LENGTH = 56
# What makes a student, so that a better report or command line costs no rows.
PARTS = "distill encoder latency precision runtimes score search space tasks teachers train records/recipe.py"
STAGES = "cutting distilling labelling nearness scoring searching"
PATHS = PARTS.split() + [f"pipeline/{stage}.py" for stage in STAGES.split()]
CODE = [CHECKOUT / "compressor" / path for path in PATHS] + [CHECKOUT / "benchmarks" / "students.py"]
WORK = ROWS / "frontier"
SPEEDS = {5: 0.1, 12: 0.6, 20: 1.8, 30: 3.5}  # speed-up -> points that may be lost
SEEDS = (0, 1, 2)
PLAIN = Recipe(race=False, augmented=False, staged=False)
WHOLE = Recipe(refit=True)  # the recipe before the ablation
# Layers of uniform widths that a user would choose at a speed.
DEPTHS = {5: 6, 12: 4, 20: 3, 30: 3}
ABLATED = {
    "whole recipe": Way(recipe=WHOLE),
    "without refit": Way(),
    "without exact search": Way("uniform-4", WHOLE),
    "without staging": Way(recipe=replace(WHOLE, staged=False)),
    "without augmentation": Way(recipe=replace(WHOLE, augmented=False)),
    "without race": Way(recipe=replace(WHOLE, race=False)),
}
ABLATION_SPEED = 12
# Student-t at 97.5 % with 8 degrees of freedom, those of four ways of three seeds, and with 2.
T_POOLED, T_ALONE = 2.306, 4.303
# Limits of the timed commands: the fp32 teacher's median over these. Students end up half as fast again, since
# promises are about the slowest runs.
ONE_LIMIT, THREE_LIMITS = (8,), (4, 8, 12)
BUILT = (0, 4, 6)  # exit codes of commands that built what they were asked for
QUICK_SPEEDS, QUICK_BUDGET_S = 2, 400.0


def pooled(training: str) -> Path:
    """The data folder: a training file, and dev and test as one evaluation split."""
    folder = WORK / f"data-{training}"
    if not folder.exists():
        folder.mkdir(parents=True)
        shutil.copy(DATA / f"{training}.tsv", folder / "train.tsv")
        dev, test = ((DATA / f"{name}.tsv").read_text(encoding="utf-8") for name in ("dev", "test"))
        (folder / "test.tsv").write_text(dev + test.split("\n", 1)[1], encoding="utf-8")
    return folder


def seeds_of(way: str, speed: int) -> tuple[int, ...]:
    """As many as the checks on this row need."""
    return SEEDS if way == "ours" or speed == 12 or (speed == 20 and way != "labels") else SEEDS[:1]


@contextmanager
def every_token() -> Iterator[Path]:
    """No op is cheaper because only its first token is read; with a cache whose tables know no such ops.

    Students are trained as ever, since the numbers are the same: tables, the search and the engine change, and the
    last layer's refit is of all tokens.
    """
    with patch.object(Architecture, "first_token_from", property(lambda shape: len(shape.layers))):
        yield WORK / "cache-every-token"


@dataclass(frozen=True)
class Student:
    """One student of SST-2.

    Attributes:
        name: Of the way that it is made.
        way: How.
        speed: Speed-up over the fp32 teacher.
        seed: Of everything random.
        training: Name of the training file.
        above: The student that it is cut out of; None = the teacher, or an assistant of its own.
        time_budget_s: For all stages.
        whole_layers: The last layer of the engine computes every token, whoever reads it.
    """

    name: str
    way: Way
    speed: int
    seed: int
    training: str
    above: "Student | None" = None
    time_budget_s: float = 1800.0
    whole_layers: bool = False

    def __str__(self) -> str:
        return f"{self.training} {self.speed}x {self.name} {self.seed}"

    @cached_property
    def key(self) -> str:
        """Of everything that it depends on."""
        above = self.above.key if self.above else None
        settings = [str(self.way), self.speed, self.seed, self.time_budget_s, above]
        settings += ["whole layers"] if self.whole_layers else []
        return content_hash([*CODE, pooled(self.training)], settings)

    def make(self) -> dict[str, Any]:
        """Its row; its weights are kept for those that are cut out of it."""
        above = self.above.trained() if self.above else None
        data, budget = pooled(self.training), self.time_budget_s
        job = Job(TEACHER, data, LENGTH, self.seed, time_budget_s=budget, assistant=above)
        self._folder.mkdir(parents=True, exist_ok=True)
        weights = self._folder / "student.safetensors"
        with every_token() if self.whole_layers else nullcontext(WORK / "cache") as cache:
            shutil.rmtree(cache / "runs", ignore_errors=True)  # of a row that was stopped, maybe under older code
            row, shape = make_student(job, self.way, speed_up=self.speed, cache=cache, weights=weights)
        save(shape, self._folder / "architecture.json")
        return row

    def trained(self) -> Assistant:
        """Shape and weights; made again where a row came from another machine."""
        if not (self._folder / "architecture.json").exists():
            self.make()
        shape = load(Architecture, self._folder / "architecture.json")
        return Assistant(str(self._folder / "student.safetensors"), shape)

    @property
    def _folder(self) -> Path:
        return WORK / "students" / self.key


def ours(seed: int, training: str, **settings: Any) -> list[Student]:
    """A student for every speed, each cut out of the one before, as `--max-latency` makes them of several limits."""
    students: list[Student] = []
    for speed in SPEEDS:
        above = students[-1] if students else None
        students.append(Student("ours", Way(), speed, seed, training, above, **settings))
    return students


def yardsticks(speed: int, seed: int, training: str, **settings: Any) -> list[Student]:
    """What a user could get otherwise, at the same speed."""
    ways = {
        "fewer": Way("fewer-layers", PLAIN),
        "uniform": Way(f"uniform-{DEPTHS[speed]}", PLAIN),
        "labels": Way(recipe=Recipe(distilled=False)),
    }
    return [Student(name, way, speed, seed, training, **settings) for name, way in ways.items()]


def ablation(seed: int) -> list[Student]:
    """The whole recipe, and one part left out."""
    speed, training = ABLATION_SPEED, "train_sentences"
    students = [Student(name, way, speed, seed, training) for name, way in ABLATED.items()]
    return [*students, Student("without cheaper ops", Way(), speed, seed, training, whole_layers=True)]


class Frontier:
    """Rows that are kept by the code of the package, the data and their settings."""

    def __init__(self, *, resume: bool, full: bool) -> None:
        self.rows = RowStore("frontier", resume=resume, committed=full)
        self._all: dict[str, dict[str, Any]] = {}
        self._students: dict[str, Student] = {}

    @property
    def all(self) -> list[dict[str, Any]]:
        """Every row that was asked for, once."""
        return list(self._all.values())

    def row(self, student: Student) -> dict[str, Any]:
        """What a student reaches."""
        facts = {"way": student.name, "speed": student.speed, "seed": student.seed, "training": student.training}
        name = str(student)
        if not student.whole_layers:
            self._students[name] = student
        return self._kept(name, {**self.rows.row(name, student.key, student.make), **facts})

    def time_together(self) -> None:
        """All students in one sitting; each row gets its speed-up there."""
        keys = sorted(student.key for student in self._students.values())
        found = self.other("one sitting", keys, lambda: speeds(self._engines(), TEACHER, pooled("train"), LENGTH))
        for name in self._students:
            self._all[name]["speed_up_together"] = found[name]

    def _engines(self) -> dict[str, tuple[Path, Architecture]]:
        made = {name: student.trained() for name, student in self._students.items()}
        return {name: (Path(found.weights), found.architecture) for name, found in made.items()}

    def other(self, name: str, settings: object, make: Any, code: Sequence[Path] = CODE) -> dict[str, Any]:
        """A row that is no student of SST-2."""
        return self._kept(name, self.rows.row(name, content_hash(code, [name, settings]), make))

    def _kept(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        self._all[name] = row
        return row


def main() -> None:
    """Rows, picture, checks."""
    options = arguments(__doc__ or "")
    rates = gemm_ceiling()
    print("ceiling: " + ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in rates.items()) + " on one thread")
    frontier = Frontier(resume=options.resume, full=options.mode == "full")
    checks = _full(frontier) if options.mode == "full" else _quick(frontier)
    frontier.time_together()
    students = [row for row in frontier.all if "way" in row]
    RESULTS.mkdir(exist_ok=True)
    draw(students, RESULTS / "frontier.png" if options.mode == "full" else WORK / "frontier.png")
    finish("frontier", options.mode, frontier.all, checks)


def _quick(frontier: Frontier) -> list[Check]:
    training = "train_sentences"
    students = ours(0, training, time_budget_s=QUICK_BUDGET_S)[:QUICK_SPEEDS]
    for speed in [student.speed for student in students]:
        every = yardsticks(speed, 0, training, time_budget_s=QUICK_BUDGET_S)
        students += [student for student in every if student.name == "uniform"]
    rows = [frontier.row(student) for student in students]
    return [Check(f"drop_points_{row['speed']}x_{row['way']}", row["drop"], "points", None) for row in rows]


def _full(frontier: Frontier) -> list[Check]:
    encoder = encoder_folder()  # where it is not installed, that is said before hours of training
    first = frontier.row(ours(SEEDS[0], "train")[0])
    costs = list(_training(frontier))
    drops: dict[tuple[str, int], list[float]] = {}
    for seed in SEEDS:
        chain = {student.speed: student for student in ours(seed, "train")}
        for speed in SPEEDS:
            for student in (chain[speed], *yardsticks(speed, seed, "train")):
                if seed in seeds_of(student.name, speed):
                    row = frontier.row(student)
                    drops.setdefault((student.name, speed), []).append(row["drop"])
    for seed in SEEDS:
        for student in ablation(seed):
            frontier.row(student)
    tasks = [_other_task(frontier, task, encoder) for task in other_tasks.TASKS]
    costs += _seconds(frontier, first["p50_ms"] * first["speed_up"])
    return [
        *(Check(f"drop_points_{s}x", round(fmean(drops["ours", s]), 3), "points", most) for s, most in SPEEDS.items()),
        *_gains(drops),
        Check("worst_other_task_drop_5x", other_tasks.worst_drop(tasks), "points", 1.5),
        *costs,
    ]


def _other_task(frontier: Frontier, task: other_tasks.Task, encoder: Path) -> dict[str, Any]:
    name = f"{task.name} {other_tasks.SPEED}x"
    return frontier.other(name, other_tasks.settings(task, encoder), lambda: other_tasks.student_row(task, encoder))


def _gains(drops: dict[tuple[str, int], list[float]]) -> Iterable[Check]:
    """At 12x the lower end of the interval, which must lie above 0; at 20x the mean."""
    half = least_difference([values for (_, speed), values in drops.items() if speed == 12])
    for name, text in (("fewer", "fewer_layers"), ("uniform", "uniform"), ("labels", "no_distillation")):
        gains = _differences(drops, name, 12)
        alone = T_ALONE * stdev(gains) / math.sqrt(len(gains))
        yield Check(f"gain_over_{text}_12x", round(fmean(gains) - half, 3), "points, lower end of 95 %", 0.0, ">=")
        yield Check(f"gain_over_{text}_12x_mean", round(fmean(gains), 3), "points", None)
        yield Check(f"gain_over_{text}_12x_alone", round(fmean(gains) - alone, 3), "points, of its own variance", None)
    for name, text in (("fewer", "fewer_layers"), ("uniform", "uniform")):
        yield Check(f"gain_over_{text}_20x", round(fmean(_differences(drops, name, 20)), 3), "points", 1.0, ">=")


def _differences(drops: dict[tuple[str, int], list[float]], name: str, speed: int) -> list[float]:
    return [theirs - mine for theirs, mine in zip(drops[name, speed], drops["ours", speed], strict=True)]


def least_difference(ways: Sequence[Sequence[float]]) -> float:
    """Half of the 95 % interval of the difference of two ways' means: Fisher's least significant difference.

    The variance is that within all ways together, since what makes it is the same for all: a few sentences that could
    be decided either way. By three seeds alone it is hardly known; that interval is printed too.

    Args:
        ways: Of each of four ways the values of three seeds.
    """
    within = fmean(variance(values) for values in ways)
    return T_POOLED * math.sqrt(2 * within / len(SEEDS))


def _seconds(frontier: Frontier, teacher_ms: float) -> Iterable[Check]:
    """From the command line, every cache cold."""
    common = ["--teacher", str(TEACHER), "--data", str(DATA), "--target", "cpu", "--threads", "1"]
    common += ["--sequence-length", str(LENGTH), "--max-accuracy-drop", "1.5"]
    for name, shares, most in (("one_limit", ONE_LIMIT, 900), ("three_limits", THREE_LIMITS, 1500)):
        limits = ",".join(f"{teacher_ms / share:.2g}ms" for share in shares)
        make = partial(compress, [*common, "--max-latency", limits])
        row = frontier.other(name, shares, make, code=[CHECKOUT / "compressor"])  # commands run all of it
        yield Check(f"seconds_{name}", _seconds_of_an_engine(row), "s", most)


def _seconds_of_an_engine(row: dict[str, Any]) -> float | None:
    """Of a command that ended with engines; one that failed early was not fast."""
    return row["seconds"] if row["exit_code"] in BUILT else None


def _training(frontier: Frontier) -> Iterable[Check]:
    share = frontier.other("training flops", None, lambda: flops_share(TEACHER, DATA))
    yield Check("training_flops_share", share["share"], "of all cores multiplying", 0.5, ">=")
    beside = frontier.other("busy neighbour", None, lambda: busy_neighbour(TEACHER, DATA))
    yield Check("throughput_with_busy_neighbour", beside["relative"], "of (cores - 1) / cores", 0.9, ">=")


if __name__ == "__main__":
    main()
