"""How often `compressor gate` is wrong: engines of known difference, on this shared machine, alone and disturbed.

A student of MiniLM-L6 in int8 against itself, and against copies whose graph was padded until they took 3, 5 and 10 %
longer. Recorded live: processes that time base, head and base in turn. From those traces gates are replayed, 2,000 for
each case, in blocks of processes that followed each other; and 40 live gates of at most 15 s confirm them. Allowed is
1 %. Beside it, from the same traces, what others do:

| rule | what |
| --- | --- |
| previous run | head slower than 1.10 x one earlier run of the base |
| Mann-Whitney | runs of the head after runs of the base, p < 0.002 and a median 1 % higher |

    python -m benchmarks.gate_noise --full --resume
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.harness import CHECKOUT, SHARED, Check, RowStore, arguments, content_hash, finish
from benchmarks.neighbour import ONE_THREAD
from compressor.encoder import Encoder
from compressor.gate.deciding import BASE, HEAD, MOST, Times, decide, log_ratio, look, ratios
from compressor.gate.measuring import Timed, fresh_pair, time_pair
from compressor.precision import apply_precision
from compressor.profiles import usable_threads
from compressor.records.architecture import Cut, LayerCut, Precision
from compressor.records.gate import GateVerdict
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.timing import engine_subject, time_interleaved
from compressor.space import inherit
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.tokens import Tokens
from compressor.teachers import load_teacher

TEACHER = SHARED / "models" / "minilm-l6-sst2"
LENGTH, HEADS, NEURONS = 56, 6, 384
PLANTED = (0, 3, 5, 10)  # percent
ALLOWED = 0.01
REPLAYED, BLOCK = 2000, 5
LIVE_SECONDS = 15.0
GATE_SECONDS = 60.0
PREVIOUS_RUN = 1.10
P_VALUE = 0.002
CODE = [CHECKOUT / "compressor" / "gate", CHECKOUT / "compressor" / "runtimes", Path(__file__)]
# On every core, bursts of arithmetic and memory of a tenth to a half of a second, for a third of the time.
BURSTS = """
import os, random, time
import numpy as np
a, b, parent = np.ones((512, 512), np.float32), np.ones(4 * 2**20), os.getppid()
while os.getppid() == parent:
    end = time.monotonic() + random.uniform(0.1, 0.5)
    while time.monotonic() < end:
        a @ a
        b.sum()
    time.sleep(random.uniform(0.2, 1.0))
"""

Logs = NDArray[np.float64]


@contextmanager
def neighbours(busy: bool) -> Iterator[None]:
    """Nobody, or a bursty process on every core."""
    command, environment = [sys.executable, "-c", BURSTS], {**os.environ, **ONE_THREAD}
    running = [subprocess.Popen(command, env=environment) for _ in range(usable_threads() if busy else 0)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


class Engines:
    """The student, and its padded copies, on disk."""

    def __init__(self, folder: Path) -> None:
        teacher = load_teacher(TEACHER)
        layers = (LayerCut(tuple(range(HEADS)), tuple(range(NEURONS))),) * len(teacher.architecture.layers)
        self._student: Encoder = inherit(teacher.encoder, Cut(layers))
        random = np.random.default_rng(0)
        ids = random.integers(1000, 20_000, size=16 * LENGTH).astype(np.int32)
        offsets = np.arange(0, ids.size + 1, LENGTH)
        tokens = Tokens(ids, np.zeros(ids.size, np.int8), offsets)
        self._feeds = workload_feeds(tokens, Workload(1, LENGTH, 1))
        self._folder, self._device = folder, LocalDevice()
        self.base = self._saved(0)
        self.padded = {percent: self._padded(percent) for percent in PLANTED}

    def _saved(self, width: int) -> Timed:
        model = self._student.emit()
        if width:
            pad(model, width)
        path = self._folder / f"{width}.onnx"
        data = apply_precision(model, Precision.INT8).SerializeToString()
        return Timed(path, self._device.save_engine(data, CompileOptions(1), path), self._feeds)

    def _padded(self, percent: int) -> Timed:
        """The width of padding is bisected until the copy takes so much longer."""
        if percent == 0:
            return self.base
        low, high = 16, 4096
        while high - low > 16:
            width = (low + high) // 2
            low, high = (width, high) if self._ratio(self._saved(width)) < 1 + percent / 100 else (low, width)
        return self._saved(low)

    def _ratio(self, head: Timed) -> float:
        """Quick, in this process."""
        subjects = {
            name: engine_subject(self._device.compile(engine.path, engine.options), engine.feeds)
            for name, engine in (("base", self.base), ("head", head))
        }
        timings = time_interleaved(
            subjects, clock=self._device.clock, seconds=2.0, yardstick=self._device.yardstick, warm_up_seconds=0.1
        )
        return float(np.median(timings.per_round("head") / timings.per_round("base")))


def pad(model: onnx.ModelProto, width: int) -> None:
    """Two products behind the logits whose result counts for nothing; the runtime cannot know that."""
    graph, random = model.graph, np.random.default_rng(width)
    (output,) = graph.output
    classes = output.type.tensor_type.shape.dim[-1].dim_value
    produced = next(node for node in graph.node if output.name in node.output)
    produced.output[list(produced.output).index(output.name)] = "padding.in"
    for name, shape in (("wide", (classes, width)), ("square", (width, width)), ("narrow", (width, classes))):
        weight = random.standard_normal(shape).astype(np.float32)
        graph.initializer.append(onnx.numpy_helper.from_array(weight, f"padding.{name}.weight"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "padding.nothing"))
    before = "padding.in"
    for name in ("wide", "square", "narrow"):
        graph.node.append(onnx.helper.make_node("MatMul", [before, f"padding.{name}.weight"], [f"padding.{name}"]))
        before = f"padding.{name}"
    graph.node.append(onnx.helper.make_node("Mul", [before, "padding.nothing"], ["padding.out"]))
    graph.node.append(onnx.helper.make_node("Add", ["padding.in", "padding.out"], [output.name]))


def traced(engines: Engines, percent: int, processes: int, *, busy: bool) -> dict[str, Any]:
    """Every process as (log head / base, log base / base, base ms, head ms), and runs of base and head."""
    measure = fresh_pair(engines.base, engines.padded[percent])
    with neighbours(busy):
        found = [measure(seed) for seed in range(processes)]
    return {
        "ratio": round(ratios(np.array([log_ratio(times) for times in found]))[0].value, 4),
        "logs": [[round(log, 6) for log in log_ratio(times)] for times in found],
        "base_us": [_runs(times, BASE) for times in found],
        "head_us": [_runs(times, HEAD) for times in found],
    }


def _runs(times: Times, which: int) -> list[float]:
    """Some runs of an engine in a process, in microseconds."""
    runs = times[:, which].ravel()
    return [round(float(x) / 1e3, 1) for x in runs[np.linspace(0, runs.size - 1, 24).astype(int)]]


def replayed(row: dict[str, Any], processes: int) -> dict[str, float]:
    """Shares of verdicts of many gates whose processes are blocks of the recorded ones, and of the other rules."""
    random, logs = np.random.default_rng(0), np.array(row["logs"])
    base, head = np.array(row["base_us"]), np.array(row["head_us"])
    verdicts, used, previous, ranks = [], [], 0, 0
    for _ in range(REPLAYED):
        chosen = logs[_blocks(random, len(logs), processes)]
        verdict, count = _gate(chosen)
        verdicts.append(verdict)
        used.append(count)
        before, after = random.integers(len(base)), random.integers(len(head))
        previous += bool(np.median(head[after]) > PREVIOUS_RUN * np.median(base[before]))
        ranks += mann_whitney(base[before], head[after])
    shares = {str(verdict): round(100 * verdicts.count(verdict) / REPLAYED, 2) for verdict in GateVerdict}
    return {
        **shares,
        "processes": float(np.mean(used)),
        "previous run": round(100 * previous / REPLAYED, 2),
        "Mann-Whitney": round(100 * ranks / REPLAYED, 2),
    }


def _blocks(random: np.random.Generator, recorded: int, wanted: int) -> NDArray[np.int64]:
    starts = random.integers(recorded, size=-(-wanted // BLOCK))
    return np.asarray(((starts[:, None] + np.arange(BLOCK)) % recorded).ravel()[:wanted])


def _gate(logs: Logs) -> tuple[GateVerdict, int]:
    for count in range(1, len(logs) + 1):
        verdict = look(logs[:count], ALLOWED, last=count == len(logs))
        if verdict is not None:
            return verdict, count
    raise ValueError("no processes")


def mann_whitney(base: NDArray[np.float64], head: NDArray[np.float64]) -> bool:
    """Whether the head is called slower: one-sided, by the normal approximation with ties counted half."""
    above = (head[:, None] > base[None, :]).sum() + 0.5 * (head[:, None] == base[None, :]).sum()
    n, m = len(base), len(head)
    z = (above - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
    return bool(1 - NormalDist().cdf(float(z)) < P_VALUE / 2 and np.median(head) > (1 + ALLOWED) * np.median(base))


def lived(engines: Engines, percent: int, gates: int, *, busy: bool) -> dict[str, Any]:
    """Whole gates of `LIVE_SECONDS`."""
    measure, ends, seconds = fresh_pair(engines.base, engines.padded[percent]), [], []
    with neighbours(busy):
        for gate in range(gates):
            timings = time_pair(
                _from_seed(measure, 1000 * gate),
                max_regression=ALLOWED,
                seconds=LIVE_SECONDS,
                progress=lambda share, text: None,
            )
            ends.append(str(decide(timings.ratio, timings.noise, ALLOWED)))
            seconds.append(round(timings.seconds, 2))
    return {"gates": gates, **{str(v): ends.count(str(v)) for v in GateVerdict}, "longest_s": max(seconds)}


def _from_seed(measure: Callable[[int], Times], first: int) -> Callable[[int], Times]:
    return lambda seed: measure(first + seed)


def main() -> None:
    """Traces, replays, live gates, checks."""
    options = arguments(__doc__ or "")
    full = options.mode == "full"
    rows = RowStore("gate_noise", resume=options.resume)
    processes, gates = (60, 5) if full else (20, 1)
    with tempfile.TemporaryDirectory() as folder:
        engines = Engines(Path(folder))
        cases = [(percent, busy) for busy in (False, True) for percent in PLANTED]
        found = [_case(rows, engines, percent, processes, busy=busy) for percent, busy in cases]
        found += [_live(rows, engines, percent, gates, busy=busy) for percent, busy in cases]
    finish("gate_noise", options.mode, found, list(checks(found)))


def _in_words(busy: bool) -> str:
    return "busy" if busy else "quiet"


def _case(rows: RowStore, engines: Engines, percent: int, processes: int, *, busy: bool) -> dict[str, Any]:
    """A trace and its replay."""
    name, settings = f"{percent} % {_in_words(busy)}", [percent, processes, busy]
    row = rows.row(name, content_hash(CODE, settings), lambda: traced(engines, percent, processes, busy=busy))
    seconds = row["row_seconds"] / processes
    fitting = min(MOST, int(GATE_SECONDS / seconds))
    shares = replayed(row, fitting)
    print(f"    gates of at most {fitting} processes: {shares}", flush=True)
    facts = {"planted": percent, "busy": busy, "most_seconds": round(fitting * seconds, 1), **shares}
    return {"live": False, "row": name, "ratio": row["ratio"], **facts}


def _live(rows: RowStore, engines: Engines, percent: int, gates: int, *, busy: bool) -> dict[str, Any]:
    name, settings = f"live {percent} % {_in_words(busy)}", [percent, gates, busy]
    make = partial(lived, engines, percent, gates, busy=busy)
    return {"live": True} | rows.row(name, content_hash(CODE, settings), make)


def checks(found: list[dict[str, Any]]) -> Iterator[Check]:
    """Of the replays; the worse of quiet and busy, but for the share that stays open."""
    replays = [row for row in found if not row["live"]]
    same = [row for row in replays if row["planted"] == 0]
    yield Check("false_alarm_percent", max(row["fail"] for row in same), "% of equal engines", 1.0)
    quiet = next(row for row in same if not row["busy"])
    yield Check("inconclusive_on_aa_percent_quiet", quiet["inconclusive"], "% of equal engines", 5.0)
    for percent, least in ((3, 80.0), (5, 95.0), (10, 99.0)):
        worst = min(row["fail"] for row in replays if row["planted"] == percent)
        yield Check(f"detected_{percent}_percent", worst, "% of gates", least, ">=")
    yield Check("gate_seconds", max(row["most_seconds"] for row in replays), "s", 60.0)
    for rule in ("previous run", "Mann-Whitney"):
        name = rule.lower().replace(" ", "_").replace("-", "_")
        yield Check(f"false_alarm_percent_{name}", max(row[rule] for row in same), "% of equal engines", None)
        for percent in PLANTED[1:]:
            least = min(row[rule] for row in replays if row["planted"] == percent)
            yield Check(f"detected_{percent}_percent_{name}", least, "% of gates", None)


if __name__ == "__main__":
    main()
