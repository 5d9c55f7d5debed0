"""How much faster than their teacher students are, all in one sitting: in turn, so that an hour is the same for all.

A row's own speed-up is of its own minutes, and those differ by 15 % here: contention for caches and memory slows the
large teacher more than small students.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from compressor.pipeline.stages import load_encoder
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes import Engine, Feeds, engine_subject, time_alone
from compressor.runtimes.local import LocalDevice
from compressor.search.ladder import fastest_options
from compressor.tasks import TextTokenizer, encode_split, read_task
from compressor.tasks.feeds import workload_feeds
from compressor.teachers import load_teacher

ROUNDS, TURN_SECONDS = 12, 0.25

Students = Mapping[str, tuple[Path, Architecture]]


def speeds(students: Students, teacher: Path, data: Path, length: int) -> dict[str, float]:
    """Speed-up of each student in int8 over its teacher in float32: median over rounds of the ratio of medians.

    Args:
        students: Name -> its weights and its shape.
        teacher: Its folder.
        data: Whose first training texts are the inputs.
        length: In tokens.
    """
    device, loaded = LocalDevice(), load_teacher(teacher)
    task = read_task(data, task=loaded.kind, label_names=loaded.label_names)
    tokens, _ = encode_split(TextTokenizer(teacher), task.splits["train"], task.spec, max_length=loaded.max_length)
    feeds = workload_feeds(tokens, Workload(1, length, 1))

    def compiled(model: bytes) -> Engine:
        return device.compile(model, fastest_options(device, model, feeds, 1, Precision.FP32))

    whole = compiled(loaded.encoder.emit().SerializeToString())
    engines = {
        name: device.compile(
            apply_precision(load_encoder(shape, weights).emit(), Precision.INT8).SerializeToString(), CompileOptions(1)
        )
        for name, (weights, shape) in students.items()
    }
    ratios: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        base = _median(whole, feeds, device)
        for name, engine in engines.items():
            ratios[name].append(base / _median(engine, feeds, device))
    return {name: round(float(np.median(found)), 2) for name, found in ratios.items()}


def _median(engine: Engine, feeds: list[Feeds], device: LocalDevice) -> float:
    subject = engine_subject(engine, feeds)
    samples = time_alone(subject, clock=device.clock, seconds=TURN_SECONDS, yardstick=device.yardstick)
    return float(np.median(samples.times))
