"""Ours beside what a user would take instead: the same teacher, compiled and quantised, in turn on the same machine.

| subject | what |
| --- | --- |
| ours: PRECISION, RUNTIME | our graph in every precision and runtime; what ships is the fastest of them |
| PEER: MODEL | the peers in environments of their own, each with its own fastest measured options (`peers/`) |
| floor | the model's own matrix products at their shapes in the fastest kernel (`products.py`) |

Teachers: MiniLM-L6 for SST-2 (accuracy on dev and test pooled), and BERT-base with random weights (latency only);
the frontier's students where its rows are on this machine. A row is one model at one length and number of threads,
with all subjects timed in turn, each in a process of its own.

    python -m benchmarks.precision --full --resume
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import bundles
from benchmarks.frontier import LENGTH, TEACHER, Student, ours, pooled
from benchmarks.harness import CHECKOUT, ROWS, Check, RowStore, arguments, content_hash, finish, gemm_ceiling
from benchmarks.peers.environments import OURS, PEERS, Model, Peer, Worker, build, python_of
from benchmarks.products import floor_ms, products_of
from compressor.encoder import Encoder
from compressor.precision import apply_precision
from compressor.precision.calibration import measured_ranges
from compressor.profiles import usable_threads
from compressor.records.architecture import Architecture, Precision
from compressor.runtimes import LocalDevice
from compressor.tasks import TextTokenizer, encode_split, get_metric, points, read_task
from compressor.teachers import load_encoder, load_teacher

WORK = ROWS / "precision"
LENGTHS = (16, 32, 56, 128)
TURNS, TURN_SECONDS = 12, 0.25
QUICK_TURNS = 4
ALIKE_POINTS = 0.3  # a peer that loses so much more than ours is no peer at the same accuracy
FIVE = "2.2ms"  # a limit that a student of five times the fp32 teacher's speed keeps here
STUDENTS = (5, 12, 20)  # speed-ups of the frontier, its first seed
CODE = [CHECKOUT / "compressor" / name for name in ("encoder", "precision", "runtimes")]
CODE += [CHECKOUT / "benchmarks" / name for name in ("peers", "products.py", "precision.py")]


@dataclass(frozen=True)
class Subject:
    """Something that is timed: whose interpreter, which model, where it is."""

    name: str
    python: Path
    model: Model
    folder: Path
    megabytes: float


@dataclass(frozen=True, eq=False)
class Case:
    """A model that everybody compiles.

    Attributes:
        name: Of its rows.
        encoder: Ours.
        folder: In the layout of transformers, for the peers; None = a student, which they cannot make.
        judged: Its answers are compared with labels.
    """

    name: str
    encoder: Encoder
    folder: Path | None
    judged: bool

    @cached_property
    def subjects(self) -> list[Subject]:
        """Ours in every precision and runtime, and the peers'."""
        found = list(_ours(self))
        if self.folder is not None:
            for peer in PEERS:
                found += _theirs(peer, self.folder, WORK / "peers" / self.name)
        return found


def _ours(case: Case) -> Iterator[Subject]:
    folder = WORK / "ours" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    device = LocalDevice()
    tokens, _ = encode_split(TextTokenizer(TEACHER), _data().splits["train"], _data().spec, max_length=LENGTH)
    for precision in Precision:
        ranges = None
        if precision is Precision.INT8_STATIC:
            ranges = measured_ranges(case.encoder.emit(), tokens, pad_id=0)
        model = apply_precision(case.encoder.emit(), precision, ranges).SerializeToString()
        for number, options in enumerate(device.option_variants(1)):
            file = folder / f"{precision}-{number}.onnx"
            loaded = device.save_engine(model, options, file)
            fused = ", all fusions" if not options.disabled_fusions else ""
            name = f"ours: {precision}, {options.runtime}{fused}"
            engine = Model(name, file.name, "compressor", (json.dumps(asdict(loaded)),))
            yield Subject(name, OURS, engine, folder, file.stat().st_size / 1e6)


def _theirs(peer: Peer, teacher: Path, output: Path) -> list[Subject]:
    folder, python = build(peer, teacher, pooled("train") / "train.tsv", output), python_of(peer)
    return [
        Subject(f"{peer.name}: {model.name}", python, model, folder, _megabytes(folder / model.file))
        for model in peer.models
    ]


def _megabytes(file: Path) -> float:
    """With the weights, which OpenVINO keeps beside the graph."""
    weights = file.with_suffix(".bin")
    return (file.stat().st_size + (weights.stat().st_size if weights.exists() else 0)) / 1e6


def _data() -> Any:
    return read_task(pooled("train"), task="text-classification", agreement=False)


def timed(case: Case, length: int, threads: int, turns: int) -> dict[str, Any]:
    """Median milliseconds of every subject, in turn; and the floor."""
    feeds = WORK / f"feeds-{length}.npz"
    ids = np.random.default_rng(0).integers(1000, 20000, (1, length))
    np.savez(feeds, input_ids=ids, attention_mask=np.ones_like(ids), token_type_ids=np.zeros_like(ids))
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        workers = {
            each.name: stack.enter_context(Worker(each.python, each.model, each.folder, threads=threads))
            for each in case.subjects
        }
        for _ in range(turns):
            for name, worker in workers.items():
                answer = worker.ask(do="time", feeds=str(feeds), seconds=TURN_SECONDS)
                times.setdefault(name, []).append(median(answer["milliseconds"]))
    row: dict[str, Any] = {"ms": {name: round(median(found), 4) for name, found in times.items()}}
    if threads == 1:
        shape = case.encoder.architecture
        for name, every_token in (("floor_ms", True), ("floor_of_our_graph_ms", False)):
            row[name] = round(floor_ms(products_of(shape, length, every_token=every_token)), 4)
    return row


def judged(case: Case) -> dict[str, Any]:
    """Accuracy and size of every subject."""
    data = _data()
    tokens, targets = encode_split(TextTokenizer(TEACHER), data.splits["test"], data.spec, max_length=512)
    rows, outputs = WORK / "rows.npz", WORK / "outputs.npy"
    np.savez(rows, ids=tokens.ids, type_ids=tokens.type_ids, offsets=tokens.offsets)
    metric, accuracy = get_metric(data.spec.metric), {}
    for each in case.subjects:
        with Worker(each.python, each.model, each.folder, threads=1) as worker:
            worker.ask(do="answer", rows=str(rows), outputs=str(outputs))
        accuracy[each.name] = round(points(metric(np.load(outputs), targets)), 3)
    return {"accuracy": accuracy, "megabytes": {each.name: round(each.megabytes, 2) for each in case.subjects}}


def teachers() -> Iterator[Case]:
    """MiniLM, and BERT-base with random weights in MiniLM's vocabulary."""
    yield Case("minilm", load_teacher(TEACHER).encoder, TEACHER, judged=True)
    folder = WORK / "bert-base"
    if not (folder / "config.json").exists():
        from transformers import BertConfig, BertForSequenceClassification

        BertForSequenceClassification(BertConfig()).save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            if (TEACHER / name).exists():
                shutil.copyfile(TEACHER / name, folder / name)
    yield Case("bert-base", load_teacher(folder).encoder, folder, judged=False)


def students() -> Iterator[Case]:
    """Of the frontier, where they were trained on this machine."""
    every: Mapping[int, Student] = {student.speed: student for student in ours(0, "train")}
    for speed in STUDENTS:
        made = every[speed].trained()
        yield Case(f"student {speed}x", load_encoder(made.architecture, Path(made.weights)), None, judged=True)


def main() -> None:
    """Rows, table, checks."""
    options = arguments(__doc__ or "")
    full = options.mode == "full"
    rates = gemm_ceiling()
    print("ceiling: " + ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in rates.items()) + " on one thread")
    store, rows = RowStore("precision", resume=options.resume, committed=full), {}
    cases = [*teachers(), *students()] if full else [next(teachers())]
    lengths, turns = (LENGTHS, TURNS) if full else ((LENGTH,), QUICK_TURNS)
    for case in cases:
        for threads in sorted({1, usable_threads()}) if full else (1,):
            for length in lengths:
                name = f"{case.name} {length} x{threads}"
                rows[name] = store.row(name, _key(case), lambda: timed(case, length, threads, turns))  # noqa: B023
        if case.judged:
            name = f"{case.name} accuracy"
            rows[name] = store.row(name, _key(case), lambda: judged(case))  # noqa: B023
    if full:
        rows |= _bundle_rows(store)
    show(rows)
    finish("precision", options.mode, list(rows.values()), list(_checks(rows)))


def _bundle_rows(store: RowStore) -> dict[str, dict[str, Any]]:
    """What ships, and what users do with it."""
    key = content_hash([CHECKOUT / "compressor", CHECKOUT / "benchmarks" / "bundles.py", pooled("train")], FIVE)
    bundle = WORK / "bundle"

    def smallest(most: str) -> dict[str, Any]:
        return bundles.shipped(FIVE, bundle, most=most)

    makers = {
        "5x in 5 MB": lambda: smallest("5MB"),
        "5x in 9 MB": lambda: smallest("9MB"),  # the bundle of the rows below
        "verify without torch": lambda: bundles.verified_without_torch(bundle),
        "optimum": lambda: bundles.loaded_in_optimum(bundle),
        "call": lambda: bundles.call_overhead(bundle),
        "planted faults": bundles.planted_faults,
    }
    return {name: store.row(name, key, make) for name, make in makers.items()}


def _key(case: Case) -> str:
    shape: Architecture = case.encoder.architecture
    return content_hash([*CODE, pooled("train")], [case.name, str(shape), TURNS])


def show(rows: Mapping[str, dict[str, Any]]) -> None:
    """One table per model, a column per length."""
    for name, row in rows.items():
        for subject, value in sorted(row.get("ms", {}).items(), key=lambda pair: pair[1]):
            print(f"  {name:<24} {subject:<48} {value:8.3f} ms")
        for subject, value in row.get("accuracy", {}).items():
            print(f"  {name:<24} {subject:<48} {value:8.2f} %  {row['megabytes'][subject]:7.2f} MB")


def _checks(rows: Mapping[str, dict[str, Any]]) -> Iterator[Check]:
    for length in (56, 128):
        row = rows.get(f"minilm {length} x1")
        if row is None:
            continue
        best, peer = _best_ours(row), _best_peer(row, rows["minilm accuracy"])
        yield Check(f"speedup_over_best_peer_minilm_{length}", round(peer / best, 3), "x", 1.2, ">=")
        if length == 128:
            yield Check("ratio_to_floor_128", round(best / row["floor_ms"], 3), "x", 1.4)
    if "5x in 9 MB" in rows:
        for name, text in (("5x in 9 MB", ""), ("5x in 5 MB", "_trimmed")):
            row, most = rows[name], 9.0 if name == "5x in 9 MB" else 5.0
            yield Check(f"shipped_megabytes_sst2_5x{text}", row.get("megabytes"), "MB", most)
            yield Check(f"drop_points_sst2_5x{text}", row.get("accuracy_drop_points"), "points", None)
        faults = rows["planted faults"]
        caught = 1 - len(faults["missed"]) / faults["planted"]
        yield Check("planted_faults_caught_share", round(caught, 3), f"of {faults['planted']}", 1.0, ">=")
        yield Check("load_call_overhead_us", rows["call"]["overhead_us"], "us", 30.0)
        verified = rows["verify without torch"]
        alone = verified["exit_code"] == 0 and not verified["torch_is_there"]
        yield Check("verify_without_torch", int(alone), "of 1", 1, ">=")
        yield Check("optimum_loads", int(rows["optimum"]["loads"]), "of 1", 1, ">=")
    if (row := rows.get("student 12x 56 x1")) is not None:
        yield Check("ratio_to_floor_student_12x_56", round(_best_ours(row) / row["floor_ms"], 3), "x", 2.0)


def _best_ours(row: Mapping[str, Any]) -> float:
    return min(value for name, value in row["ms"].items() if name.startswith("ours"))


def _best_peer(row: Mapping[str, Any], accuracy: Mapping[str, Any]) -> float:
    """The fastest peer that is as accurate as the fastest of ours, up to a few tenths of a point."""
    ours_name = min((name for name in row["ms"] if name.startswith("ours")), key=lambda name: row["ms"][name])
    least = accuracy["accuracy"][ours_name] - ALIKE_POINTS
    peers = [name for name in row["ms"] if not name.startswith("ours")]
    return min(row["ms"][name] for name in peers if accuracy["accuracy"][name] >= least)


if __name__ == "__main__":
    main()
