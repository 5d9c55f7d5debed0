"""What the training engine makes of the cores: useful operations over what they can multiply, alone and disturbed.

    share = rows per second x operations per row / (operations per second of all cores multiplying at once)

Operations of a row: the products of the student at the row's own tokens, no padding, forward and twice that backward.
What all cores multiply at once: one process per core on a large float32 product, timed right behind the training.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from benchmarks.neighbour import BUSY, ONE_THREAD
from compressor.distill import distillation_loss
from compressor.distill.recipe import plan
from compressor.distill.throughput import examples_per_second
from compressor.latency import operations
from compressor.latency.nodes import node_kernels
from compressor.latency.work import Product
from compressor.profiles import usable_threads
from compressor.records.architecture import Architecture, Cut, LayerCut, Precision
from compressor.records.promise import Workload
from compressor.space import inherit
from compressor.tasks import TextTokenizer, encode_split, read_task
from compressor.teachers import Teacher, load_teacher
from compressor.train import FittingJob, crew_on

HEADS, NEURONS = 6, 384  # in each layer of MiniLM-L6: the student at 5x
REPEATS = 3
# Square products of one thread, for some seconds: (operations, seconds) to standard output.
MULTIPLY = """
import time
import torch
torch.set_num_threads(1)
a, b = torch.randn(512, 512), torch.randn(512, 512)
for _ in range(20):
    a @ b
begin, done = time.monotonic(), 0
while time.monotonic() - begin < 4:
    a @ b
    done += 1
print(2 * 512**3 * done / (time.monotonic() - begin))
"""


def flops_share(teacher: Path, data: Path) -> dict[str, Any]:
    """Useful operations per second of a training over what the cores can do; medians of a few looks in turn."""
    with tempfile.TemporaryDirectory() as folder:
        training, per_row = _training(teacher, data, Path(folder))
        looks = [(_rows_per_second(training), _all_cores_multiplying()) for _ in range(REPEATS)]
    shares = [rows * per_row / peak for rows, peak in looks]
    rows, peak = (float(np.median(column)) for column in zip(*looks, strict=True))
    return {
        "share": round(float(np.median(shares)), 3),
        "rows_per_second": round(rows, 1),
        "operations_per_row": per_row,
        "peak_gflops": round(peak / 1e9, 1),
        "shares": [round(share, 3) for share in shares],
    }


def busy_neighbour(teacher: Path, data: Path) -> dict[str, Any]:
    """Throughput beside a process that keeps one core busy, over (cores - 1) / cores of the quiet one."""
    cores = usable_threads()
    with tempfile.TemporaryDirectory() as folder:
        training, _ = _training(teacher, data, Path(folder))
        quiet, noisy = [], []
        for _ in range(REPEATS):
            quiet.append(_rows_per_second(training))
            neighbour = subprocess.Popen([sys.executable, "-c", BUSY], env={**os.environ, **ONE_THREAD})
            try:
                time.sleep(1)
                noisy.append(_rows_per_second(training))
            finally:
                neighbour.kill()
                neighbour.wait()
    share = float(np.median(noisy)) / float(np.median(quiet))
    return {
        "relative": round(share / ((cores - 1) / cores), 3) if cores > 1 else None,
        "quiet_rows_per_second": [round(rate, 1) for rate in quiet],
        "noisy_rows_per_second": [round(rate, 1) for rate in noisy],
        "cores": cores,
    }


def _training(teacher: Path, data: Path, folder: Path) -> tuple[FittingJob, float]:
    """A training of the 5x student on real text, and the useful operations of a mean row."""
    loaded = load_teacher(teacher)
    tokens = _tokens(loaded, data)
    layers = (LayerCut(tuple(range(HEADS)), tuple(range(NEURONS))),) * len(loaded.architecture.layers)
    student = inherit(loaded.encoder, Cut(layers))
    save_file(student.state_dict(), folder / "start")
    tokens.save(folder / "tokens")
    np.save(folder / "logits.npy", np.zeros((len(tokens), loaded.architecture.classes), np.float32))
    batch = plan(1, rows=len(tokens), crew=crew_on(usable_threads()), seed=0).batch
    files = folder / "start", folder / "tokens", folder / "logits.npy"
    loss = distillation_loss(loaded.kind)
    job = FittingJob(student.architecture, *files, loss, batch=batch, seed=0, pad_id=loaded.pad_id)
    counted = Counter(tokens.lengths.tolist())
    whole = sum(count * _operations(student.architecture, length) for length, count in counted.items())
    return job, 3 * whole / len(tokens)


def _tokens(teacher: Teacher, data: Path) -> Any:
    task = read_task(data, task=teacher.kind, label_names=teacher.label_names)
    tokens, _ = encode_split(
        TextTokenizer(teacher.folder), task.splits["train"], task.spec, max_length=teacher.max_length
    )
    return tokens


def _operations(shape: Architecture, length: int) -> int:
    """Of one forward pass of one row."""
    at, fp32 = Workload(1, length, 1), Precision.FP32
    kernels = (k for op in operations(shape, fp32) for k in node_kernels(shape, op, at))
    return sum(kernel.operations for kernel in kernels if isinstance(kernel, Product))


def _rows_per_second(job: FittingJob) -> float:
    rows = len(np.load(job.targets, mmap_mode="r"))
    return examples_per_second(job, plan(1, rows=rows, crew=crew_on(usable_threads()), seed=0))


def _all_cores_multiplying() -> float:
    """Operations per second of one process per core at once."""
    command = [sys.executable, "-c", MULTIPLY]
    processes = [
        subprocess.Popen(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True)
        for _ in range(usable_threads())
    ]
    return sum(float(process.communicate()[0]) for process in processes)
