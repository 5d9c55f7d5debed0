"""The ladder's first rungs: the unpruned teacher, compiled, at each precision.

For each precision the fastest of the runtime's compile options is chosen by timing them in turn; the rung is then
timed alone in a fresh process, and its accuracy is compared with the fp32 teacher's on the selection split.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UnavailableError
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Budget
from compressor.records.results import TOLERANCE
from compressor.records.stages import Rung
from compressor.runtimes.base import Device, Feeds
from compressor.runtimes.samples import all_times
from compressor.runtimes.statistics import summarise
from compressor.runtimes.timing import engine_subject, time_interleaved

OPTIONS_SECONDS = 1.0
RUNG_SECONDS = 2.0
COMPARED = 8  # inputs on which options have to give the same answers
# Below this share two variants are the same graph and noise; a choice between them would only fork the caches.
CLEARLY_FASTER = 0.02
# A rung that the quick measurement puts this close to the limit would only fail the real one.
LIMIT_MARGIN = 0.97


def fastest_options(
    device: Device, model: bytes, feeds: Sequence[Feeds], threads: int, precision: Precision
) -> CompileOptions:
    """The compile options with the lowest median, timed in turn; the first ones, unless others are clearly faster.

    Options with which the graph cannot be compiled, or answers what its export would refuse, are left out.
    """
    variants = device.option_variants(threads, precision)
    if len(variants) == 1:
        return variants[0]
    subjects, expected = {}, list[NDArray[np.float32]]()
    for i, options in enumerate(variants):
        try:
            engine = device.compile(model, options)
            answers = [engine.run({name: each[name] for name in engine.inputs}) for each in feeds[:COMPARED]]
        except UnavailableError:  # not every runtime reads every graph; the first one must
            if i == 0:
                raise
            continue
        expected = expected or answers
        if all(_alike(a, b, TOLERANCE[precision]) for a, b in zip(expected, answers, strict=True)):
            subjects[str(i)] = engine_subject(engine, feeds)
    timings = time_interleaved(
        subjects, clock=device.clock, seconds=OPTIONS_SECONDS, yardstick=device.yardstick, threads=threads
    )
    fastest = min(map(int, subjects), key=lambda i: timings.median_ms(str(i)))
    clear = timings.median_ms(str(fastest)) < (1 - CLEARLY_FASTER) * timings.median_ms("0")
    return variants[fastest if clear else 0]


def one_per_runtime(device: Device, threads: int, precision: Precision) -> tuple[CompileOptions, ...]:
    """The first options of each runtime, for a short look at how fast something can be."""
    first: dict[str, CompileOptions] = {}
    for options in device.option_variants(threads, precision):
        first.setdefault(options.runtime, options)
    return tuple(first.values())


def _alike(expected: NDArray[np.float32], found: NDArray[np.float32], tolerance: float) -> bool:
    return expected.shape == found.shape and bool(np.allclose(expected, found, rtol=0, atol=tolerance))


def fresh_latency(
    device: Device,
    model: bytes,
    feeds: Sequence[Feeds],
    options: CompileOptions,
    folder: Path,
    *,
    seconds: float,
    processes: int = 1,
) -> tuple[LatencySummary, NDArray[np.int64]]:
    """Latency of a graph in fresh processes, through the engine file that would be shipped; raw times of all."""
    path = folder / "probe.onnx"
    loaded = device.save_engine(model, options, path)
    samples = device.fresh_samples(path, feeds, loaded, seconds=seconds, processes=processes)
    path.unlink()
    return summarise(samples), all_times(samples)


def climb(
    device: Device,
    models: dict[Precision, bytes],
    feeds: Sequence[Feeds],
    budget: Budget,
    threads: int,
    drop_of: Callable[[Precision, CompileOptions], float],
    folder: Path,
    *,
    shipped_with: int = 0,
) -> tuple[Rung, ...]:
    """Measure every rung.

    Args:
        device: Where.
        models: Serialised teacher per precision, the least invasive first.
        feeds: Inputs of the workload.
        budget: The promises.
        threads: Of the workload.
        drop_of: (precision, options) -> points below the fp32 teacher on the selection split.
        folder: For the engine files.
        shipped_with: Bytes of the tokenizer, which count towards the size.
    """
    rungs = []
    for precision, model in models.items():
        options = fastest_options(device, model, feeds, threads, precision)
        latency, samples = fresh_latency(device, model, feeds, options, folder, seconds=RUNG_SECONDS)
        drop = drop_of(precision, options)
        rungs.append(
            Rung(
                precision=precision,
                options=options,
                latency=latency,
                drop_points=drop,
                size_bytes=len(model) + shipped_with,
                keeps_latency=keeps(samples, budget),
                keeps_accuracy=drop <= budget.max_accuracy_drop_points,
                keeps_size=budget.max_size_bytes is None or len(model) + shipped_with <= budget.max_size_bytes,
            )
        )
    return tuple(rungs)


def keeps(samples: NDArray[np.int64], budget: Budget) -> bool:
    """Whether the promised percentile of the raw times (nanoseconds) is clearly within the limit."""
    if budget.max_latency_ms is None:
        return True
    reached_ms = float(np.percentile(samples, budget.percentile)) / 1e6
    return reached_ms <= LIMIT_MARGIN * budget.max_latency_ms
