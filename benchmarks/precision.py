"""Ours beside what a user would take instead: the same teacher, compiled and quantised, in turn on the same machine.

| subject | what |
| --- | --- |
| ours: PRECISION, RUNTIME | our graph in every precision and runtime; the fastest that is accurate enough ships |
| ours: ..., mixed | with the products in float32 that a tenth of a point takes (`int8_ways.py`) |
| PEER: MODEL | the peers in environments of their own, each with its own fastest measured options (`peers/`) |
| floor | the model's own matrix products at their shapes in the fastest kernel (`products.py`) |

Teachers: MiniLM-L6 for SST-2 (accuracy on dev and test pooled), BERT-base with random weights (latency only). A row
is one model at one length and number of threads, with all subjects timed in turn, each in a process of its own. Last
come the frontier's students of 5x, 12x and 20x, with the weights that its rows name: where those are not on this
machine the row says so, and nothing is trained. A peer that cannot be made here is said to be missing.

    python -m benchmarks.precision --full --resume
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import bundles, int8_ways
from benchmarks.equal_accuracy import ALIKE_POINTS, fastest_of_ours, speedup_over_best_peer
from benchmarks.frontier import LENGTH, TEACHER, pooled
from benchmarks.frontier import WORK as FRONTIER
from benchmarks.harness import (
    CHECKOUT,
    RESULTS,
    Check,
    RowStore,
    arguments,
    conditions,
    content_hash,
    finish,
    gemm_ceiling,
)
from benchmarks.peers.environments import PEERS, PeerError
from benchmarks.products import Floor, products_of
from benchmarks.subjects import WORK, Case, Subject, bert_base, minilm, ours, student, theirs
from benchmarks.turns import judged, timed
from compressor.precision.ranges import METHODS
from compressor.profiles import usable_threads
from compressor.records.architecture import Precision

LENGTHS = (16, 32, 56, 128)
TURNS, QUICK_TURNS = 12, 4
SPEEDS = (5, 12, 20)  # of the frontier's students, its first seed
FASTER = 5  # times as fast as the compiled fp32 teacher is what is shipped
SIZES = {"5x in 5 MB": "5MB", "5x in 9 MB": "9MB"}
WHOLE = "5x in 9 MB"  # the bundle that is verified, loaded and called
INT8 = (Precision.INT8, Precision.INT8_STATIC)
PACKAGES = [CHECKOUT / "compressor" / name for name in ("encoder", "precision", "runtimes", "tasks", "teachers")]
MIXING = [CHECKOUT / "compressor" / name for name in ("search/mixing.py", "score/divergence.py")]
SCRIPTS = [CHECKOUT / "benchmarks" / name for name in ("subjects.py", "turns.py", "peers/worker.py")]
WAYS = CHECKOUT / "benchmarks" / "int8_ways.py"
FLOOR = [CHECKOUT / "compressor" / "latency" / name for name in ("nodes.py", "ops.py", "work.py")]
FLOOR += [CHECKOUT / "benchmarks" / "products.py"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of this benchmark.

    Attributes:
        store: Keeps rows.
        lengths: That everybody is timed at.
        threads: That everybody is timed with.
        turns: Of each.
        rows: So far, by name.
    """

    store: RowStore
    lengths: tuple[int, ...]
    threads: tuple[int, ...]
    turns: int
    rows: dict[str, Row] = field(default_factory=dict)

    def row(self, name: str, key: str, make: Callable[[], Row]) -> Row:
        """A row of the store; what a peer's environment is needed for, and cannot be made, is not kept."""
        try:
            self.rows[name] = self.store.row(name, key, make)
        except PeerError as error:
            self.say(name, failed=str(error).splitlines()[-8:])
        return self.rows[name]

    def say(self, name: str, **facts: Any) -> None:
        """A row that is found anew by every run."""
        self.rows[name] = {"row": name, **facts}
        print(f"  {name}: {', '.join(f'{key} {value}' for key, value in facts.items())}", flush=True)

    def peers(self, case: Case) -> list[Subject]:
        """What the peers make of a teacher; one that cannot is a row that says why."""
        found: list[Subject] = []
        for peer in PEERS:
            try:
                found += theirs(peer, case)
            except PeerError as error:
                self.say(f"peer {peer.name} {case.name}", failed=str(error).splitlines()[-8:])
        return found

    def measure(self, case: Case, peers: Sequence[Subject]) -> None:
        """All rows of a model."""
        subjects = [*ours(case), *peers]
        made = [case.name, sorted((each.name, each.folder.name) for each in peers)]
        made += [{str(precision): list(kept) for precision, kept in case.kept.items()}, conditions()]
        key = content_hash([*PACKAGES, *SCRIPTS, *FLOOR, case.folder, pooled("train")], [*made, self.turns])
        for threads in self.threads:
            for length in self.lengths:
                name = f"{case.name} {length} x{threads}"
                self.row(name, key, lambda: self._timed(case, subjects, length, threads))  # noqa: B023
        if case.judged:
            key = content_hash([*PACKAGES, *SCRIPTS, case.folder, pooled("train")], made)
            self.row(f"{case.name} accuracy", key, lambda: judged(case, subjects, work=WORK))

    def _timed(self, case: Case, subjects: Sequence[Subject], length: int, threads: int) -> Row:
        """With the floor of the products where there is one thread: of a plain export, and of our own graph."""
        if threads > 1:
            return timed(subjects, length, threads=threads, turns=self.turns, work=WORK)
        shape = case.encoder.architecture
        plain, own = (products_of(shape, length, every_token=every) for every in (True, False))
        floor = Floor([*plain, *own])
        row = timed(subjects, length, threads=threads, turns=self.turns, work=WORK, floor=floor)
        floors = {"floor_ms": round(floor.ms(plain), 4), "floor_of_our_graph_ms": round(floor.ms(own), 4)}
        return {**row, **floors, "kernels": floor.names}


def main() -> None:
    """Rows, table, checks."""
    options = arguments(__doc__ or "")
    full = options.mode == "full"
    rates = gemm_ceiling()
    print("ceiling: " + ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in rates.items()) + " on one thread")
    WORK.mkdir(parents=True, exist_ok=True)
    store = RowStore("precision", resume=options.resume, committed=full)
    if full:
        run = Run(store, LENGTHS, tuple(sorted({1, usable_threads()})), TURNS)
        _everything(run)
    else:
        run, case = Run(store, (LENGTH,), (1,), QUICK_TURNS), minilm()
        run.measure(case, run.peers(case))
    show(run.rows)
    finish("precision", options.mode, list(run.rows.values()), list(checks(run.rows)))


def _everything(run: Run) -> None:
    """The teachers, what ships and what users do with it, the students."""
    cases = [minilm(), bert_base()]
    peers = {case.name: run.peers(case) for case in cases}  # first, so that it is known soon who is missing
    cases[0] = _mixed(run, cases[0])
    for case in cases:
        run.measure(case, peers[case.name])
    _calibrations(run, cases[0])
    _bundles(run)
    for speed, folder in frontier_students().items():
        name = f"student {speed}x"
        here = folder is not None and (folder / "student.safetensors").exists()
        run.say(name, weights=str(folder), here=here)
        if folder is not None and here:
            run.measure(student(speed, folder), [])


def _mixed(run: Run, case: Case) -> Case:
    """The teacher, and what of it must stay in float32 where a tenth of a point counts."""
    key = content_hash([*PACKAGES, *MIXING, WAYS, case.folder, pooled("train")], [])
    kept: dict[Precision, tuple[str, ...]] = {}
    for precision in INT8:
        row = run.row(f"mixed {precision}", key, lambda: int8_ways.mixed(case.bench, precision))  # noqa: B023
        if row.get("kept"):
            kept[precision] = tuple(row["kept"])
    return replace(case, kept=kept)


def _calibrations(run: Run, case: Case) -> None:
    """Accuracy alone: the way in which ranges were measured changes no time."""
    key = content_hash([*PACKAGES, WAYS, case.folder, pooled("train")], [])
    for method in METHODS:
        run.row(f"ranges by {method}", key, lambda: int8_ways.calibrated(case.bench, method))  # noqa: B023


def frontier_students() -> dict[int, Path | None]:
    """Where the weights of the frontier's students are on the machine that trained them; None = it has no such row."""
    path, keys = RESULTS / "frontier.rows.jsonl", dict[str, str]()
    if path.exists():
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        keys = {row["row"]: row["key"] for row in rows}
    named = {speed: keys.get(f"train {speed}x ours 0") for speed in SPEEDS}
    return {speed: FRONTIER / "students" / key if key else None for speed, key in named.items()}


def _bundles(run: Run) -> None:
    """What ships at a fifth of the fp32 teacher's time, and what users do with it."""
    p50_ms = fastest_fp32_ms(run.rows[f"minilm {LENGTH} x1"])
    limit = f"{p50_ms / FASTER:.2g}ms"
    scripts = [CHECKOUT / "benchmarks" / name for name in ("bundles.py", "planted_faults.py")]
    key = content_hash([CHECKOUT / "compressor", *scripts, TEACHER, pooled("train")], [limit, *conditions()])

    def folder(name: str) -> Path:
        return WORK / "bundles" / f"{SIZES[name]}-{key}"

    def ship(name: str) -> Row:
        return bundles.shipped(limit, folder(name), most=SIZES[name])

    for name in SIZES:
        run.row(name, key, lambda: ship(name))  # noqa: B023

    def used(use: Callable[[Path], Row]) -> Row:
        if not bundles.there(folder(WHOLE)):
            ship(WHOLE)  # its row is of another machine
        return use(folder(WHOLE))

    if "megabytes" in run.rows[WHOLE]:
        run.row("verify without torch", key, lambda: used(bundles.verified_without_torch))
        run.row("optimum", key, lambda: used(bundles.loaded_in_optimum))
        run.row("call", key, lambda: used(bundles.call_overhead))
    run.row("planted faults", key, bundles.planted_faults)


def fastest_fp32_ms(row: Row) -> float:
    """Of our fp32 engines of a row."""
    return min(ms for name, ms in row["ms"].items() if name.startswith(f"ours: {Precision.FP32},"))


def show(rows: Mapping[str, Row]) -> None:
    """One table per model, fastest first; and who is missing."""
    for name, row in rows.items():
        for subject, value in sorted(row.get("ms", {}).items(), key=lambda pair: pair[1]):
            print(f"  {name:<24} {subject:<56} {value:8.3f} ms")
        for which in ("floor_ms", "floor_of_our_graph_ms"):
            if which in row:
                print(f"  {name:<24} {which.removesuffix('_ms').replace('_', ' '):<56} {row[which]:8.3f} ms")
        for subject, value in row.get("accuracy", {}).items():
            print(f"  {name:<24} {subject:<56} {value:8.2f} %  {row['megabytes'][subject]:7.2f} MB")
        if isinstance(row.get("failed"), dict):
            for subject, why in row["failed"].items():
                print(f"  {name:<24} {subject:<56} cannot be run: {why.splitlines()[-1]}")
        elif "failed" in row:
            print(f"  {name:<24} missing: {row['failed'][-1]}")


def checks(rows: Mapping[str, Row]) -> Iterator[Check]:
    """What the issue limits, and what is only reported."""
    yield from _speed_checks(rows)
    if any(name in rows for name in SIZES):
        yield from _bundle_checks(rows)
        yield from _student_checks(rows)


def _speed_checks(rows: Mapping[str, Row]) -> Iterator[Check]:
    """Of MiniLM on one thread."""
    reached = rows["minilm accuracy"]
    for length in (56, 128):
        row = rows.get(f"minilm {length} x1")
        if row is None:
            continue
        there = {name.split(": ")[0] for name in row["ms"] if not name.startswith("ours")}
        speedup = speedup_over_best_peer(row["ms"], reached["accuracy"], reached["fp32"])
        unit = f"x, {len(there)} of {len(PEERS)} peers are here"
        yield Check(f"speedup_over_best_peer_minilm_{length}", _rounded(speedup), unit, 1.2, ">=")
        if length == 128:
            yield from _floor_checks("128", row, reached, 1.4)


def _floor_checks(name: str, row: Row, reached: Row, most: float) -> Iterator[Check]:
    """Ours over the products of a plain export, as the issue counts; and over those of our own graph."""
    mine = fastest_of_ours(row["ms"], reached["accuracy"], reached["fp32"] - ALIKE_POINTS)
    for which, text, limit in (("floor_ms", "floor", most), ("floor_of_our_graph_ms", "own_products", None)):
        ratio = None if mine is None else mine / row[which]
        yield Check(f"ratio_to_{text}_{name}", _rounded(ratio), "x", limit)


def _bundle_checks(rows: Mapping[str, Row]) -> Iterator[Check]:
    words = json.loads((TEACHER / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    for name, text, most in (("5x in 9 MB", "", 9.0), ("5x in 5 MB", "_trimmed", 5.0)):
        row = rows[name]
        untrimmed = row.get("vocabulary") == words
        megabytes = row.get("megabytes") if untrimmed or text else None
        unit = f"MB, {row.get('vocabulary')} of {words} words"
        yield Check(f"shipped_megabytes_sst2_5x{text}", megabytes, unit, most)
        yield Check(f"drop_points_sst2_5x{text}", row.get("accuracy_drop_points"), "points", None)
        yield Check(f"speedup_sst2_5x{text}", row.get("speed_up"), f"x, at most {row.get('limit')}", None)
    faults = rows["planted faults"]
    caught = 1 - len(faults["missed"]) / faults["planted"]
    yield Check("planted_faults_caught_share", round(caught, 3), f"of {faults['planted']}", 1.0, ">=")
    yield Check("load_call_overhead_us", rows.get("call", {}).get("overhead_us"), "us", 30.0)
    yield Check("verify_without_torch", _one(rows.get("verify without torch", {}).get("holds")), "of 1", 1, ">=")
    yield Check("optimum_loads", _one(rows.get("optimum", {}).get("loads")), "of 1", 1, ">=")


def _student_checks(rows: Mapping[str, Row]) -> Iterator[Check]:
    row, reached = rows.get("student 12x 56 x1"), rows.get("student 12x accuracy")
    if row is None or reached is None:
        yield Check("ratio_to_floor_student_12x_56", None, "x, its weights are not on this machine", 2.0)
    else:
        yield from _floor_checks("student_12x_56", row, reached, 2.0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _one(holds: bool | None) -> int | None:
    return None if holds is None else int(holds)


if __name__ == "__main__":
    main()
