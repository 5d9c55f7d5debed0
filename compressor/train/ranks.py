"""Ranks on one machine: processes of one thread each, joined by gloo.

Measured on 4 cores: 1.4 times as fast as one process with 4 threads, and not slowed to a quarter when somebody else
takes a core.
"""

import os
import queue
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.multiprocessing import get_context
from torch.multiprocessing.spawn import ProcessException, start_processes

from compressor.errors import CompressorError
from compressor.records.training import TrainPlan, check_plan
from compressor.train.job import Job
from compressor.train.loop import Trainer

Progress = Callable[[int, float], None]


def train(
    job: Job, plan: TrainPlan, result: Path, *, checkpoint: Path | None = None, progress: Progress | None = None
) -> None:
    """Run a training and write the model's state to `result` (safetensors).

    Args:
        job: What is trained.
        plan: How.
        result: Written once, when the training is done.
        checkpoint: Where the training continues if it is there; removed at the end.
        progress: Called about once a second with (step, loss).

    Raises:
        CompressorError: A rank failed.
    """
    check_plan(plan)
    if plan.ranks == 1:
        trainer = Trainer(job, plan)
        trainer.run(checkpoint, progress)
        _write(trainer.model, result)
    else:
        _spawn(job, plan, result, checkpoint, progress)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


def _spawn(job: Job, plan: TrainPlan, result: Path, checkpoint: Path | None, progress: Progress | None) -> None:
    channel = get_context("spawn").Queue()
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        meeting = Path(folder) / "meeting"
        arguments = (job, plan, result, checkpoint, meeting, channel)
        ranks = start_processes(  # type: ignore[no-untyped-call]
            _rank, args=arguments, nprocs=plan.ranks, join=False, start_method="spawn"
        )
        try:
            while not ranks.join(timeout=0.2):
                _drain(channel, progress)
        except ProcessException as error:
            raise CompressorError(f"a training process failed: {error}") from error
        finally:
            for process in ranks.processes:
                if process.is_alive():
                    process.terminate()
        _drain(channel, progress)


def _drain(channel: Any, progress: Progress | None) -> None:
    while True:
        try:
            step, loss = channel.get_nowait()
        except queue.Empty:
            return
        if progress is not None:
            progress(step, loss)


def _rank(
    rank: int, job: Job, plan: TrainPlan, result: Path, checkpoint: Path | None, meeting: Path, channel: Any
) -> None:
    torch.set_num_threads(plan.threads)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the host's own name need not resolve
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=plan.ranks)
    try:
        trainer = Trainer(job, plan, rank=rank, all_reduce=_sum)
        trainer.run(checkpoint, (lambda step, loss: channel.put((step, loss))) if rank == 0 else None)
        if rank == 0:
            _write(trainer.model, result)
        dist.barrier()
    finally:
        dist.destroy_process_group()


def _sum(gradients: Tensor) -> None:
    dist.all_reduce(gradients)


def _write(model: nn.Module, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, partial)
    partial.replace(path)
