"""The searches and losses that the project is named after, against the default, against drawing, against each other.

| part | what | question |
| --- | --- | --- |
| searches | `compress --search NAME`, 8 minutes, half and a fifth of the int8 teacher's latency | who wins? |
| poster | three searched cells of width 128, against three layers of the same size | what carried over? |
| losses | three of the teacher's six layers, 400 steps of 32 rows with every loss by name | does the order hold? |
| methods | the students of the losses exported and verified; the searches' own | does everything work? |

Teacher MiniLM-L6 for SST-2, 6,920 sentences, one thread, dev and test pooled; losses on MRPC too, whose teacher is
fine-tuned here: no KD, vanilla KD and the best five of SST-2. The published order of losses is No KD < KD < PKD <
ALP-KD < Annealing-KD.

    python -m benchmarks.nas_kd --full --resume
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from benchmarks import losses, poster
from benchmarks.distilled import SST2, WORK, answered, task_of
from benchmarks.extending import files_of_a_new_block, files_of_a_new_loss
from benchmarks.frontier import LENGTH, T_ALONE, TEACHER, pooled
from benchmarks.gradients import gradients_that_hold
from benchmarks.harness import (
    CHECKOUT,
    Check,
    RowStore,
    arguments,
    conditions,
    content_hash,
    finish,
    gemm_ceiling,
)
from benchmarks.other_tasks import teacher_folder
from benchmarks.parity import blocks_with_parity
from benchmarks.searched import built, gain, over_limit, searched, works
from compressor.distill.objectives import OBJECTIVES
from compressor.encoder import AGGREGATIONS, BLOCKS
from compressor.pipeline.demo import encoder_folder
from compressor.precision import apply_precision
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes import engine_subject, time_alone
from compressor.runtimes.local import LocalDevice
from compressor.tasks import Tokens
from compressor.tasks.feeds import workload_feeds
from compressor.teachers import load_teacher

BEST = 5
# From the worst to the best, by their names here; issue 8 has the order.
PUBLISHED = (losses.PLAIN, "vanilla-kd", "pkd-skip", "alp-kd", "annealing-kd")
Row = dict[str, Any]


@dataclass(frozen=True)
class Amount:
    """How much is done.

    Attributes:
        searches: By name.
        shares: Of the int8 teacher's latency, the searches' limits.
        minutes: Of each search.
        seeds: Of the poster's rows; and of the best losses'.
        ways: Of the poster.
        search_steps: Of both levels, of the poster's search.
        poster_steps: Of the poster's trainings.
        losses: By name.
        loss_steps: Of each.
        tasks: That the best losses are trained on beside SST-2.
    """

    searches: tuple[str, ...]
    shares: tuple[float, ...]
    minutes: float
    seeds: tuple[int, ...]
    ways: tuple[str, ...]
    search_steps: int
    poster_steps: int
    losses: tuple[str, ...]
    loss_steps: int
    tasks: tuple[str, ...]


FULL = Amount(
    searches=("exact", "nas-kd", "kd-nas", "evolution", "random"),
    shares=(0.5, 0.2),
    minutes=8,
    seeds=(0, 1, 2),
    ways=poster.WAYS,
    search_steps=150,
    poster_steps=750,
    losses=tuple(OBJECTIVES),
    loss_steps=400,
    tasks=("mrpc",),
)
QUICK = Amount(
    searches=("kd-nas", "random"),
    shares=(0.5,),
    minutes=2,
    seeds=(0,),
    ways=poster.WAYS[:2],
    search_steps=30,
    poster_steps=60,
    losses=("vanilla-kd", "pkd-skip"),
    loss_steps=60,
    tasks=(),
)

# What each kind of row runs, so that a change elsewhere drops none of it.
PACKAGES = {
    "teacher": "encoder precision runtimes tasks teachers",
    "parity": "encoder runtimes",
    "gradients": "distill/objectives encoder",
    "search": "distill encoder export latency pipeline precision runtimes score search space tasks teachers train "
    "verification",
    "poster": "distill encoder pipeline/cells.py precision search space tasks teachers train",
    "loss": "distill encoder precision space tasks teachers train",
    "method": "distill encoder export pipeline precision runtimes space tasks teachers verification",
}
SCRIPTS = {
    "teacher": "distilled.py",
    "parity": "parity.py",
    "gradients": "gradients.py",
    "search": "searched.py",
    "poster": "poster.py distilled.py",
    "loss": "losses.py distilled.py",
    "method": "losses.py",
}


@cache
def _code(kind: str) -> str:
    paths = [CHECKOUT / "compressor" / name for name in PACKAGES[kind].split()]
    paths += [CHECKOUT / "benchmarks" / name for name in SCRIPTS[kind].split()]
    return content_hash([*paths, TEACHER, pooled(SST2)], conditions())


def key_of(kind: str, *settings: object) -> str:
    """Of a row: its kind's code, the teacher, the data, the machine, and its own settings."""
    return content_hash([], [_code(kind), *settings])


@dataclass(frozen=True)
class Run:
    """One run of this benchmark.

    Attributes:
        store: Keeps rows.
        amount: Of what is done.
        rows: So far, by name.
    """

    store: RowStore
    amount: Amount
    rows: dict[str, Row] = field(default_factory=dict)

    def row(self, name: str, key: str, make: Callable[[], Row]) -> Row:
        """A row of the store."""
        self.rows[name] = self.store.row(name, key, make)
        return self.rows[name]

    def cheap_rows(self, *, full: bool) -> None:
        """What takes no training."""
        self.row("parity", key_of("parity"), lambda: {"blocks": blocks_with_parity()})
        self.row("gradients", key_of("gradients"), lambda: {"losses": gradients_that_hold()})
        if full:
            parts = [CHECKOUT / name for name in ("compressor", "tests/contracts", "benchmarks/extending.py")]
            self.row("extending", content_hash(parts, []), extended)

    def search_rows(self, p95_ms: float) -> None:
        """Every search at every limit."""
        for share in self.amount.shares:
            for search in self.amount.searches:
                limit_ms = float(f"{share * p95_ms:.3g}")
                key = key_of("search", search, limit_ms, self.amount.minutes)
                make = partial(searched, search, limit_ms, self.amount.minutes)
                self.row(f"search {share} {search}", key, make)

    def poster_rows(self) -> None:
        """Every way with every seed, behind the search of that seed."""
        for seed in self.amount.seeds:
            steps = self.amount.search_steps
            found = self.row(
                f"cells {seed}", key_of("poster", "search", steps), partial(poster.cells_found, seed, steps)
            )
            for way in self.amount.ways:
                key = key_of("poster", found["cells"], self.amount.poster_steps)
                make = partial(poster.trained, way, seed, found, self.amount.poster_steps)
                self.row(f"poster {way} {seed}", key, make)

    def loss_rows(self) -> None:
        """Every loss once; the best, no KD and vanilla KD with all seeds, and on other tasks."""
        first = {name: self.loss_row("sst2", name, 0)["points"] for name in (losses.PLAIN, *self.amount.losses)}
        best = sorted(self.amount.losses, key=lambda name: -first[name])[:BEST]
        again = tuple(dict.fromkeys((losses.PLAIN, "vanilla-kd", *best)))
        for name in again:
            for seed in self.amount.seeds[1:]:
                self.loss_row("sst2", name, seed)
        for task in self.amount.tasks:
            for name in again:
                self.loss_row(task, name, 0)

    def loss_row(self, task: str, name: str, seed: int) -> Row:
        """One training."""
        key = self._loss_key(task)
        weights, steps = self._weights(task, name, seed), self.amount.loss_steps
        return self.row(f"loss {task} {name} {seed}", key, lambda: losses.trained(task, name, seed, steps, weights))

    def method_rows(self) -> None:
        """The first student of every loss, exported and verified."""
        for name in self.amount.losses:
            key = key_of("method", self._loss_key("sst2"))
            self.row(f"method {name}", key, partial(self._shipped, name))

    def _shipped(self, name: str) -> Row:
        weights, steps = self._weights("sst2", name, 0), self.amount.loss_steps
        if not weights.exists():  # its row is of another machine
            losses.trained("sst2", name, 0, steps, weights)
        return losses.shipped(name, weights, steps)

    def _weights(self, task: str, name: str, seed: int) -> Path:
        return WORK / "weights" / f"{task}-{name}-{seed}-{self._loss_key(task)}.safetensors"

    def _loss_key(self, task: str) -> str:
        made = [] if task == "sst2" else [teacher_folder(task_of(task), encoder_folder()).name]
        return key_of("loss", self.amount.loss_steps, *made)


def extended() -> Row:
    """Files that a new loss and a new block take."""
    return {"loss": files_of_a_new_loss(), "block": files_of_a_new_block()}


def teacher_points() -> Row:
    """The ceiling of accuracy."""
    return {"points": round(answered("sst2").points(answered("sst2").teacher.encoder), 3)}


def int8_teacher_ms() -> Row:
    """95th percentile of the int8 teacher here, in milliseconds."""
    device = LocalDevice()
    model = apply_precision(load_teacher(TEACHER).encoder.emit(), Precision.INT8).SerializeToString()
    tokens = Tokens.load(answered("sst2").folder / "tokens")
    subject = engine_subject(device.compile(model, CompileOptions(1)), workload_feeds(tokens, Workload(1, LENGTH, 1)))
    times, _ = time_alone(subject, clock=device.clock, seconds=4, yardstick=device.yardstick)
    return {"p95_ms": round(float(np.percentile(times, 95)) / 1e6, 4)}


def main() -> None:
    """Rows, tables, checks; the cheap rows first."""
    options = arguments(__doc__ or "")
    full = options.mode == "full"
    amount = FULL if full else QUICK
    if amount.tasks:
        encoder_folder()  # where it is not installed, that is said before hours of training
    print("ceiling: " + ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in gemm_ceiling().items()))
    print("ceiling of accuracy: the teacher's")
    WORK.mkdir(parents=True, exist_ok=True)
    run = Run(RowStore("nas_kd", resume=options.resume, committed=full), amount)
    run.cheap_rows(full=full)
    run.row("teacher sst2", key_of("teacher"), teacher_points)
    p95_ms = run.row("int8 teacher", key_of("teacher"), int8_teacher_ms)["p95_ms"]
    run.loss_rows()
    run.method_rows()
    run.poster_rows()
    run.search_rows(p95_ms)
    show(run.rows)
    finish("nas_kd", options.mode, list(run.rows.values()), list(checks(run.rows, amount)))


def _mean(rows: Mapping[str, Row], prefix: str) -> tuple[float, float | None, int]:
    """Mean of the seeds, half of its 95 % interval where there are three, how many."""
    found = [row["points"] for name, row in rows.items() if re.fullmatch(rf"{re.escape(prefix)} \d", name)]
    half = T_ALONE * stdev(found) / len(found) ** 0.5 if len(found) == len(FULL.seeds) else None
    return fmean(found), half, len(found)


def show(rows: Mapping[str, Row]) -> None:
    """Searches, poster and losses; the losses of the published order beside it."""
    for name, row in rows.items():
        if name.startswith("search "):
            reached = (
                f"{row['accuracy_points']:7.2f} points, p95 {row['p95_ms']} ms" if built(row) else "nothing built"
            )
            print(
                f"  {name:<24} {reached} of {row['limit_ms']}, {row['tried']} tried, {row['steps']} steps, "
                f"{row.get('layers')}"
            )
    for prefix in dict.fromkeys(name.rsplit(" ", 1)[0] for name in rows if name.startswith(("poster ", "loss "))):
        seconds = rows[f"{prefix} 0"]["seconds_per_1000"]
        speed = "" if seconds is None else f", {seconds:.2f} s per 1,000 examples"
        print(f"  {prefix:<32} {_in_words(*_mean(rows, prefix))}{speed}")
    for task in dict.fromkeys(name.split()[1] for name in rows if name.startswith("loss ")):
        reached = published(rows, task)
        print(f"  published order on {task}: " + " < ".join(f"{name} ({_here(reached, name)})" for name in PUBLISHED))


def _in_words(mean: float, half: float | None, count: int) -> str:
    return f"{mean:7.2f}" + ("" if half is None else f" +- {half:.2f}") + f" ({count})"


def _here(reached: Mapping[str, float], name: str) -> str:
    return f"here {reached[name]:.2f}" if name in reached else "not here"


def published(rows: Mapping[str, Row], task: str) -> dict[str, float]:
    """Mean points of the losses whose order is published, as far as they were trained on a task."""
    return {name: _mean(rows, f"loss {task} {name}")[0] for name in PUBLISHED if f"loss {task} {name} 0" in rows}


def _difference(rows: Mapping[str, Row], ours: str, other: str) -> tuple[float, float | None]:
    """Mean over seeds of a difference in points, and half of its 95 % interval where there are several."""
    pairs = [(rows.get(f"{ours} {seed}"), rows.get(f"{other} {seed}")) for seed in FULL.seeds]
    found = [mine["points"] - theirs["points"] for mine, theirs in pairs if mine and theirs]
    return fmean(found), T_ALONE * stdev(found) / len(found) ** 0.5 if len(found) > 1 else None


def checks(rows: Mapping[str, Row], amount: Amount) -> Iterator[Check]:
    """What the issue limits, and what is only reported."""
    yield from _search_checks(rows, amount)
    every = len(BLOCKS) + len(AGGREGATIONS)
    yield Check("blocks_with_parity", len(rows["parity"]["blocks"]), f"of {every}", every, ">=")
    yield Check("losses_with_gradient_check", len(rows["gradients"]["losses"]), "losses", len(OBJECTIVES), ">=")
    gained, half = _difference(rows, "poster cells", "poster layers without KD")
    if half is None:
        yield Check("nas_kd_over_same_size_without_kd_points", round(gained, 3), "points, one seed", None)
    else:
        name = "nas_kd_beats_same_size_without_kd_points"
        yield Check(name, round(gained - half, 3), "points, lower end", 0, ">=")
    yield from _order_checks(rows)
    if "extending" in rows:
        yield Check("files_per_new_loss", len(rows["extending"]["loss"]), "files", 3)
        yield Check("files_per_new_block", len(rows["extending"]["block"]), "files", 3)
    yield from _method_checks(rows, amount)


def _search_checks(rows: Mapping[str, Row], amount: Amount) -> Iterator[Check]:
    """Engines that were not built keep no limit."""
    every = [row for name, row in rows.items() if name.startswith("search ")]
    there = [row for row in every if built(row)]
    over = sum(map(over_limit, there))
    yield Check("searches_that_built", len(there), f"of {len(every)}", len(every), ">=")
    unit = f"engines, of {len(there)} that were built; {len(every)} were asked for"
    yield Check("engines_over_limit", over if len(there) == len(every) else None, unit, 0)
    if len(there) < len(every):
        yield Check("engines_over_limit_of_those_built", over, f"of {len(there)}", None)
    for share in amount.shares:
        mine, other = (rows.get(f"search {share} {name}") for name in ("kd-nas", "random"))
        if mine and other and built(mine) and built(other):
            points, interval = gain(mine, other)
            unit = f"points, 95 % from {interval.low:.2f} to {interval.high:.2f}"
            yield Check(f"kd_nas_beats_random_points_{share}", round(points, 3), unit, None)


def _order_checks(rows: Mapping[str, Row]) -> Iterator[Check]:
    """Pairs of losses that are here in the published order, in the mean."""
    for task in dict.fromkeys(name.split()[1] for name in rows if name.startswith("loss ")):
        pairs = list(combinations(published(rows, task).values(), 2))
        held = sum(worse < better for worse, better in pairs)
        yield Check(f"published_order_held_{task}", held, f"of {len(pairs)} pairs of losses", None)


def _method_checks(rows: Mapping[str, Row], amount: Amount) -> Iterator[Check]:
    """A search works where every student of it was trained for a while, exported and verified."""
    by_loss = {name: row["works"] for name, row in rows.items() if name.startswith("method ")}
    by_search = {
        search: all(works(rows[f"search {share} {search}"]) for share in amount.shares) for search in amount.searches
    }
    done, every = sum(by_loss.values()) + sum(by_search.values()), len(by_loss) + len(by_search)
    name = "every_method_runs_60_steps_exports_and_verifies"
    yield Check(name, done, f"of {every}", every if amount == FULL else None, ">=")


if __name__ == "__main__":
    main()
