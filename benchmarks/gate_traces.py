"""Engines of known difference, timed live on this shared machine, alone and disturbed: what `gate_noise.py` judges by.

A student of MiniLM-L6 in int8, and copies whose graph was padded until they took 3, 5 and 10 % longer. Traces of
processes that time base, head and base in turn; live gates; and whole gates from the command line, on bundles.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.commands import run_command
from benchmarks.frontier import TEACHER, pooled
from benchmarks.neighbour import ONE_THREAD
from compressor import __version__
from compressor.encoder import Encoder
from compressor.export import (
    ENGINE,
    EvaluationData,
    write_evaluation,
    write_manifest,
    write_models,
    write_texts,
)
from compressor.gate.deciding import BASE, HEAD, Times, decide, log_ratio, ratios
from compressor.gate.measuring import Timed, fresh_pair, time_pair
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.profiles import fingerprint, usable_threads
from compressor.records.architecture import Cut, LayerCut, Precision
from compressor.records.gate import GateVerdict
from compressor.records.latency import CompileOptions
from compressor.records.observer import Silent
from compressor.records.promise import Budget, Workload
from compressor.records.request import CompressRequest
from compressor.records.results import Manifest
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.timing import engine_subject, time_interleaved
from compressor.space import inherit
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.tokens import Tokens

LENGTH, HEADS, NEURONS = 56, 6, 384
ALLOWED = 0.01
LIVE_SECONDS = 15.0
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
    """The student, and its padded copies, on disk.

    Args:
        folder: For their files.
    """

    def __init__(self, folder: Path) -> None:
        request = CompressRequest(str(TEACHER), str(pooled("train")), threads=1)
        self._bench = Workbench(request, cache=folder / "cache", observer=Silent())
        teacher = self._bench.canonical
        layers = (LayerCut(tuple(range(HEADS)), tuple(range(NEURONS))),) * len(teacher.architecture.layers)
        self._student: Encoder = inherit(teacher.encoder, Cut(layers))
        random = np.random.default_rng(0)
        ids = random.integers(1000, 20_000, size=16 * LENGTH).astype(np.int32)
        offsets = np.arange(0, ids.size + 1, LENGTH)
        tokens = Tokens(ids, np.zeros(ids.size, np.uint8), offsets)
        self._feeds = workload_feeds(tokens, Workload(1, LENGTH, 1))
        self._folder, self._device = folder, LocalDevice()

    def timed(self, width: int) -> Timed:
        """The engine whose padding is so wide; 0 = none."""
        path = self._folder / f"{width}.onnx"
        options = self._device.save_engine(self._model(width).SerializeToString(), CompileOptions(1), path)
        return Timed(path, options, self._feeds)

    def _model(self, width: int) -> onnx.ModelProto:
        model = self._student.emit()
        if width:
            pad(model, width)
        return apply_precision(model, Precision.INT8)

    def width_of(self, percent: int) -> int:
        """Of the padding that makes the engine take so much longer, by bisection."""
        if percent == 0:
            return 0
        base, low, high = self.timed(0), 16, 4096
        while high - low > 16:
            width = (low + high) // 2
            longer = self._ratio(base, self.timed(width)) - 1
            low, high = (width, high) if longer < percent / 100 else (low, width)
        return low

    def _ratio(self, base: Timed, head: Timed) -> float:
        """Quick, in this process."""
        subjects = {
            name: engine_subject(self._device.compile(engine.path, engine.options), engine.feeds)
            for name, engine in (("base", base), ("head", head))
        }
        timings = time_interleaved(
            subjects, clock=self._device.clock, seconds=2.0, yardstick=self._device.yardstick, warm_up_seconds=0.1
        )
        return float(np.median(timings.per_round("head") / timings.per_round("base")))

    def bundle(self, width: int) -> Path:
        """A whole bundle of such an engine, judged on the pooled sentences, as a gate is given it."""
        bench, folder = self._bench, self._folder / f"bundle-{width}"
        options = write_models(folder, self._model(width), self._device, CompileOptions(1))
        write_texts(folder, bench.teacher.folder, bench.config(), self._student.architecture)
        tokens = bench.evaluation.tokens
        outputs = bench.outputs(folder / ENGINE, options, tokens, Precision.INT8)
        write_evaluation(folder, self._evaluation(outputs))
        here = fingerprint()
        manifest = Manifest(
            version=__version__,
            files={},
            engine=ENGINE,
            inputs=self._student.inputs,
            runtime=self._device.runtime_of(options),
            options=options,
            device=here.key,
            device_model=here.model,
            workload=Workload(1, LENGTH, 1),
            budget=Budget(max_accuracy_drop_points=100.0),  # it was never trained
            task=bench.data.spec,
            teacher_digest=bench.teacher.digest,
            data_digest=bench.data.digest,
            precision=Precision.INT8,
            architecture=self._student.architecture,
            max_length=bench.teacher.max_length,
            pad_id=bench.pad_id,
            emitted_difference=0.0,
            seed=0,
        )
        write_manifest(folder, manifest)
        return folder

    def _evaluation(self, outputs: Any) -> EvaluationData:
        bench = self._bench
        return EvaluationData(
            tokens=bench.evaluation.tokens,
            targets=bench.evaluation_targets,
            teacher=bench.evaluation_teacher,
            student=self._fp32_outputs,
            engine=outputs,
        )

    @cached_property
    def _fp32_outputs(self) -> Any:
        return self._bench.fp32_outputs(self._student.emit(), self._bench.evaluation.tokens)


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


def traced(base: Timed, head: Timed, processes: int, *, busy: bool) -> dict[str, Any]:
    """Every process as (log head / base, log base / base, base ms, head ms), and runs of base and head."""
    measure = fresh_pair(base, head)
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


def lived(base: Timed, head: Timed, gates: int, *, busy: bool) -> dict[str, Any]:
    """Gates of `LIVE_SECONDS`."""
    measure, ends, seconds = fresh_pair(base, head), [], []
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


def whole(base: Path, head: Path, *, busy: bool) -> dict[str, Any]:
    """One gate from the command line as a user runs it, with the time that it takes by default."""
    given: Mapping[str, str] = {"--base": str(base), "--head": str(head), "--max-regression": f"{ALLOWED:.0%}"}
    with neighbours(busy):
        row = run_command(["gate", *(word for pair in given.items() for word in pair)])
    return {**row, "output": row["output"][-12:]}
