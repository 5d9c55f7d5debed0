"""The searches and losses that the project is named after, against the default, against drawing, against each other.

| part | what | question |
| --- | --- | --- |
| searches | `compress --search NAME`, 8 minutes, half and a fifth of the int8 teacher's latency | who wins? |
| poster | three searched cells of width 128, against three layers of the same size | what carried over? |
| losses | three of the teacher's six layers, 400 steps of 32 rows with every loss by name | does the order hold? |
| methods | every loss and search once with little time, exported and verified | does everything work? |

Teacher MiniLM-L6 for SST-2, 6,920 sentences, one thread, dev and test pooled; losses on MRPC too, whose teacher is
fine-tuned here. The published order of losses is No KD < KD < PKD < ALP-KD < Annealing-KD.

    python -m benchmarks.nas_kd --full --resume
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.commands import compress
from benchmarks.distilled import Answered, keep
from benchmarks.extending import files_of_a_new_block, files_of_a_new_loss
from benchmarks.frontier import LENGTH, T_ALONE, TEACHER, pooled
from benchmarks.gradients import gradients_that_hold
from benchmarks.harness import CHECKOUT, ROWS, Check, RowStore, arguments, content_hash, finish, gemm_ceiling
from benchmarks.other_tasks import TASKS, make_teacher
from benchmarks.parity import blocks_with_parity
from compressor.distill.objectives import OBJECTIVES
from compressor.encoder import AGGREGATIONS, BLOCKS, Encoder
from compressor.pipeline.cells import WIDTH, supernet_of, take_embeddings
from compressor.pipeline.demo import encoder_folder
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Cut, Layer, LayerCut, Precision
from compressor.records.cells import Cells, read_nodes
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes import LocalDevice, engine_subject, time_alone
from compressor.search import EPISODIC, NAS_KD
from compressor.search.bilevel import Halves, bilevel
from compressor.search.discretising import MixedCellSearch
from compressor.search.supernet import StoredSupernet, Supernet
from compressor.space import inherit
from compressor.space.cells import NODES, cell_space
from compressor.tasks import TextTokenizer, Tokens, encode_split, read_task
from compressor.tasks.feeds import workload_feeds
from compressor.teachers import load_teacher

WORK = ROWS / "nas_kd"
SEARCHES = ("exact", NAS_KD, *EPISODIC)
SHARES, MINUTES = (0.5, 0.2), 8
SEEDS = (0, 1, 2)
POSTER_STEPS, POSTER_BATCH, POSTER_RATE, SEARCH_STEPS = 1500, 64, 1e-3, 250
CELLS = 3  # as in the paper's smaller student
LOSS_STEPS, LOSS_BATCH, LOSS_RATE, BEST = 400, 32, 2e-4, 5
NO_KD = DistillRecipe((LossTerm("vanilla-kd", 1.0, (("alpha", 0.0),)),))
LEAST_STEPS, METHOD_BUDGET = 60, "100s"
BUILT = (0, 4, 6)
CODE = [
    CHECKOUT / "compressor" / name for name in ("distill", "encoder", "pipeline", "search", "space", "train", "tasks")
]
CODE += [CHECKOUT / "benchmarks" / name for name in ("nas_kd.py", "distilled.py")]


@cache
def answered(task: str) -> Answered:
    """`sst2` or `mrpc`, with the teacher's answers."""
    if task == "sst2":
        teacher, data, evaluation = TEACHER, pooled("train_sentences"), "test"
    else:
        found = next(each for each in TASKS if each.name == task)
        teacher, data, evaluation = make_teacher(found, encoder_folder()), found.data, None
    read = read_task(data, task="text-classification", agreement=False)
    tokenizer = TextTokenizer(teacher)
    longest = load_teacher(teacher).max_length
    parts = [
        encode_split(tokenizer, read.splits[name], read.spec, max_length=longest)
        for name in ("train", evaluation or read.spec.eval_split)
    ]
    return Answered.made(WORK / task, teacher, parts[0], parts[1], "accuracy")


def int8_teacher_ms() -> dict[str, Any]:
    """95th percentile of the int8 teacher here, in milliseconds."""
    device = LocalDevice()
    model = apply_precision(load_teacher(TEACHER).encoder.emit(), Precision.INT8).SerializeToString()
    tokens = Tokens.load(answered("sst2").folder / "tokens")
    subject = engine_subject(device.compile(model, CompileOptions(1)), workload_feeds(tokens, Workload(1, LENGTH, 1)))
    times, _ = time_alone(subject, clock=device.clock, seconds=4, yardstick=device.yardstick)
    return {"p95_ms": round(float(np.percentile(times, 95)) / 1e6, 4)}


def searched(search: str, limit_ms: float, minutes: float = MINUTES) -> dict[str, Any]:
    """One run of the command line with a cold cache."""
    row = compress(
        [
            *("--teacher", str(TEACHER), "--data", str(pooled("train_sentences")), "--search", search),
            *("--max-latency", f"{limit_ms:.4g}ms", "--sequence-length", str(LENGTH), "--threads", "1"),
            *("--max-accuracy-drop", "100", "--time-budget", f"{minutes:g}m"),
        ]
    )
    text = "\n".join(row["output"])
    tried = re.search(r"(\d+) of \d+ feasible shapes were tried", text)
    built = len(re.findall(r"built ", text))
    return {"search": search, "limit_ms": limit_ms, **row, "tried": int(tried.group(1)) if tried else built}


def over_limit(row: Mapping[str, Any]) -> bool:
    """An engine shipped whose 95th percentile is over its limit."""
    return bool(row["exit_code"] in BUILT and row["p95_ms"] > row["limit_ms"])


def poster(way: str, seed: int) -> dict[str, Any]:
    """A student from scratch: three cells that were searched, or three layers of as many parameters."""
    text = answered("sst2")
    shape = cells_found(seed)
    if way != "cells":
        shape = same_size(shape)
    torch.manual_seed(seed)
    student = Encoder(shape)
    take_embeddings(student, text.teacher.encoder)
    recipe = {
        "cells": DistillRecipe.named("nas-kd"),
        "layers without KD": NO_KD,
        "layers, vanilla KD": DistillRecipe.named("vanilla-kd"),
        "layers, PKD": DistillRecipe.named("pkd-skip"),
    }[way]
    begun = keep(student, WORK / "begun.safetensors")
    row = text.trained(begun, recipe, steps=POSTER_STEPS, batch=POSTER_BATCH, rate=POSTER_RATE, seed=seed)
    return {**row, "parameters": inner_parameters(student), "shape": shape.in_words}


@cache
def cells_found(seed: int) -> Architecture:
    """The strongest cell of a search without a limit, three times."""
    text = answered("sst2")
    space = cell_space(text.teacher.encoder.architecture, WIDTH)
    torch.manual_seed(seed)
    supernet = Supernet(space, nodes=NODES, stacked=2)
    take_embeddings(supernet, text.teacher.encoder)
    save_file(supernet.state_dict(), WORK / "supernet.safetensors")
    stored = StoredSupernet(space, NODES, 2, WORK / "supernet.safetensors")
    setup = text.job(stored, DistillRecipe.named("nas-kd"), batch=LOSS_BATCH, seed=seed).setup()
    lengths = Tokens.load(text.folder / "tokens").lengths
    choice = bilevel(
        setup.model,
        supernet_of(setup),
        setup.step_at,
        Halves.drawn(lengths, batch=LOSS_BATCH, seed=seed),
        lambda edges, aggregations: 0 * (edges.sum() + aggregations.sum()),
        steps=SEARCH_STEPS,
        seed=seed,
    )
    search = MixedCellSearch(choice.edges.double().numpy(), choice.aggregations.double().numpy(), NODES)
    aggregation = list(AGGREGATIONS)[int(choice.aggregations.argmax())]
    return replace(space, cells=Cells(read_nodes(search.strongest()), CELLS, aggregation))


def same_size(shape: Architecture) -> Architecture:
    """Three layers of four heads, with as many parameters as the cells have."""
    wanted, plain = inner_parameters(Encoder(shape)), replace(shape, cells=None, head_size=WIDTH // 4)

    def of(neurons: int) -> Architecture:
        return plain.with_layers((Layer(4, neurons),) * CELLS)

    return min(map(of, range(16, 4096, 16)), key=lambda found: abs(inner_parameters(Encoder(found)) - wanted))


def inner_parameters(encoder: Encoder) -> int:
    """Without embeddings and head."""
    return sum(parameter.numel() for parameter in encoder.inner.parameters())


def loss_row(task: str, name: str, seed: int) -> dict[str, Any]:
    """Half of the teacher's layers, whole and evenly spaced, after a short training."""
    text = answered(task)
    teacher = text.teacher.encoder
    whole = [LayerCut(tuple(range(x.heads)), tuple(range(x.neurons))) for x in teacher.architecture.layers]
    kept = [cut if number % 2 else LayerCut((), ()) for number, cut in enumerate(whole)]
    begun = keep(inherit(teacher, Cut(tuple(kept))), WORK / "begun.safetensors")
    recipe = NO_KD if name == "no KD" else DistillRecipe.named(name)
    return text.trained(begun, recipe, steps=LOSS_STEPS, batch=LOSS_BATCH, rate=LOSS_RATE, seed=seed)


def method_row(flags: Sequence[str], limit_ms: float) -> dict[str, Any]:
    """Everything once, in little time."""
    row = compress(
        [
            *("--teacher", str(TEACHER), "--data", str(pooled("train_sentences")), *flags),
            *("--max-latency", f"{limit_ms:.4g}ms", "--sequence-length", str(LENGTH), "--threads", "1"),
            *("--max-accuracy-drop", "100", "--time-budget", METHOD_BUDGET),
        ]
    )
    steps = [int(found) for found in re.findall(r"(\d+) steps \(", "\n".join(row["output"]))]
    works = row["exit_code"] in BUILT and max(steps, default=0) >= LEAST_STEPS and row["chosen"] == "student"
    return {**row, "steps": max(steps, default=0), "works": works}


def main() -> None:
    """Rows, tables, checks."""
    options = arguments(__doc__ or "")
    full = options.mode == "full"
    print("ceiling: " + ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in gemm_ceiling().items()))
    print("ceiling of accuracy: the teacher's")
    store, key = RowStore("nas_kd", resume=options.resume, committed=full), content_hash(CODE, [])
    WORK.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}

    def row(name: str, make: Any) -> dict[str, Any]:
        rows[name] = store.row(name, key, make)
        return rows[name]

    row("teacher sst2", lambda: {"points": round(answered("sst2").points(answered("sst2").teacher.encoder), 3)})
    p95_ms = row("int8 teacher", int8_teacher_ms)["p95_ms"]
    for share in SHARES if full else SHARES[:1]:
        for search in SEARCHES:
            limit_ms, minutes = float(f"{share * p95_ms:.3g}"), MINUTES if full else 2
            row(f"search {share} {search}", lambda: searched(search, limit_ms, minutes))  # noqa: B023
    for seed in SEEDS if full else SEEDS[:1]:
        for way in ("cells", "layers without KD", "layers, vanilla KD", "layers, PKD"):
            row(f"poster {way} {seed}", lambda: poster(way, seed))  # noqa: B023
    for task in ("sst2", "mrpc") if full else ("sst2",):
        _losses(row, task, repeated=full)
    if full:
        for name in OBJECTIVES:
            flags = ("--search", "uniform-3", "--distill", name)
            row(f"method {name}", lambda: method_row(flags, 0.5 * p95_ms))  # noqa: B023
        for search in SEARCHES:
            row(f"method {search} (search)", lambda: method_row(("--search", search), 0.5 * p95_ms))  # noqa: B023
        row("extending", lambda: {"loss": files_of_a_new_loss(), "block": files_of_a_new_block()})
    row("parity", lambda: {"blocks": blocks_with_parity()})
    row("gradients", lambda: {"losses": gradients_that_hold()})
    _show(rows)
    finish("nas_kd", options.mode, list(rows.values()), list(_checks(rows)))


def _losses(row: Any, task: str, *, repeated: bool) -> None:
    """Every loss once; the best, no KD and vanilla KD with all seeds."""
    names = ("no KD", *OBJECTIVES)
    first = {name: row(f"loss {task} {name} 0", lambda: loss_row(task, name, 0))["points"] for name in names}  # noqa: B023
    best = sorted(OBJECTIVES, key=lambda name: -first[name])[:BEST]
    for name in dict.fromkeys(("no KD", "vanilla-kd", *best)) if repeated else ():
        for seed in SEEDS[1:]:
            row(f"loss {task} {name} {seed}", lambda: loss_row(task, name, seed))  # noqa: B023


def _mean(rows: Mapping[str, dict[str, Any]], prefix: str) -> tuple[float, float, int]:
    """Mean of the seeds, half of its 95 % interval, how many."""
    found = [row["points"] for name, row in rows.items() if re.fullmatch(rf"{re.escape(prefix)} \d", name)]
    half = T_ALONE * stdev(found) / len(found) ** 0.5 if len(found) == len(SEEDS) else float("nan")
    return fmean(found), half, len(found)


def _show(rows: Mapping[str, dict[str, Any]]) -> None:
    for name, row in rows.items():
        if name.startswith("search "):
            print(
                f"  {name:<24} {row.get('accuracy_points', float('nan')):7.2f} points, p95 {row.get('p95_ms')} ms of "
                f"{row['limit_ms']}, {row['tried']} tried, {row.get('layers')}"
            )
    for prefix in dict.fromkeys(name.rsplit(" ", 1)[0] for name in rows if name.startswith(("poster ", "loss "))):
        mean, half, count = _mean(rows, prefix)
        seconds = rows[f"{prefix} 0"]["seconds_per_1000"]
        print(f"  {prefix:<32} {mean:7.2f} +- {half:.2f} ({count}), {seconds:.2f} s per 1,000 examples")


def _difference(rows: Mapping[str, dict[str, Any]], ours: str, other: str) -> tuple[float, float]:
    """Mean over seeds of a difference in points, and half of its 95 % interval."""
    found = [
        rows[f"{ours} {seed}"]["points"] - rows[f"{other} {seed}"]["points"]
        for seed in SEEDS
        if f"{ours} {seed}" in rows and f"{other} {seed}" in rows
    ]
    return fmean(found), T_ALONE * stdev(found) / len(found) ** 0.5 if len(found) > 1 else float("inf")


def _checks(rows: Mapping[str, dict[str, Any]]) -> Iterator[Check]:
    found = [row for name, row in rows.items() if name.startswith("search ")]
    yield Check("engines_over_limit", sum(map(over_limit, found)), "engines", 0)
    blocks = len(BLOCKS) + len(AGGREGATIONS)
    yield Check("blocks_with_parity", len(rows["parity"]["blocks"]), f"of {blocks}", blocks, ">=")
    yield Check("losses_with_gradient_check", len(rows["gradients"]["losses"]), "losses", len(OBJECTIVES), ">=")
    gain, half = _difference(rows, "poster cells", "poster layers without KD")
    yield Check("nas_kd_beats_same_size_without_kd_points", round(gain - half, 3), "points, lower end", 0, ">=")
    for share in SHARES:
        pair = [rows.get(f"search {share} {name}", {}).get("accuracy_points") for name in ("kd-nas", "random")]
        if None not in pair:
            yield Check(f"kd_nas_beats_random_points_{share}", round(pair[0] - pair[1], 3), "points", None)
    if "extending" in rows:
        yield Check("files_per_new_loss", len(rows["extending"]["loss"]), "files", 3)
        yield Check("files_per_new_block", len(rows["extending"]["block"]), "files", 3)
        methods = [row["works"] for name, row in rows.items() if name.startswith("method ")]
        name = "every_method_runs_60_steps_exports_and_verifies"
        yield Check(name, sum(methods), f"of {len(methods)}", len(methods), ">=")


if __name__ == "__main__":
    main()
