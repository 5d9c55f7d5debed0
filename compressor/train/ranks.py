"""Ranks on one machine: processes on shared memory, of one thread each; or one process for each GPU.

Measured on 4 cores: 1.4 times as fast as one process with 4 threads, and not slowed to a quarter when somebody else
takes a core.
"""

import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.multiprocessing import get_context
from torch.multiprocessing.spawn import ProcessException, ProcessExitedException, start_processes

from compressor.errors import CompressorError, ResourceError
from compressor.records.training import TrainPlan, check_plan
from compressor.train.allocator import keep_memory
from compressor.train.job import Job
from compressor.train.loop import Trainer
from compressor.train.passes import Note
from compressor.train.team import Devices, Processes, Team, memory_file

# Products that oneDNN and its wrapper in torch keep compiled, by default 1,024 each: text has many lengths, so a rank
# grew from 0.6 to 1.9 GB within 40 steps of a student of BERT-base. With 16 it stayed at 0.9 GB, but small students
# lost a seventh of their speed (benchmarks/log.md).
SMALL_CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "128"}

Progress = Callable[[int, float], None]
Report = tuple[int, float] | str | ResourceError


def train(
    job: Job,
    plan: TrainPlan,
    result: Path,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> None:
    """Run a training and write the state of what is kept of the model to `result` (safetensors).

    Args:
        job: What is trained.
        plan: How.
        result: Written once, when the training is done.
        checkpoint: Where the training continues if it is there; removed at the end.
        progress: Called about once a second with (step, loss).
        note: Called with what went wrong and was mended.

    Raises:
        CompressorError: A rank failed.
        ResourceError: Memory does not suffice for a single row at a time; or a rank was killed, which is how the
            system ends what takes more memory than there is.
    """
    check_plan(plan)
    if plan.ranks == 1:
        trainer = Trainer(job, plan, note=note)
        trainer.run(checkpoint, progress)
        _write(trainer.result, result)
    else:
        _spawn(job, plan, result, checkpoint, _Told(progress, note))
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Told:
    """Who is told what the ranks report. All ranks note what happens to all of them: it is told once."""

    progress: Progress | None
    note: Note | None
    noted: set[str] = field(default_factory=set)

    def __call__(self, report: Report) -> None:
        if isinstance(report, ResourceError):
            raise report
        if isinstance(report, str):
            if self.note is not None and report not in self.noted:
                self.note(report)
            self.noted.add(report)
        elif self.progress is not None:
            self.progress(*report)


def _spawn(job: Job, plan: TrainPlan, result: Path, checkpoint: Path | None, told: _Told) -> None:
    for name, value in SMALL_CACHES.items():
        os.environ.setdefault(name, value)  # inherited; the libraries of this process have read theirs already
    context = get_context("spawn")
    with _interruptions_deferred():  # cut off in between, its semaphores would be left to the system
        channel, taken, barrier = context.Queue(), context.Value("q", 0), context.Barrier(plan.ranks)
    with memory_file() as memory, tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        meeting = _Meeting(memory, taken, barrier, Path(folder) / "group")
        arguments = (job, plan, result, checkpoint, meeting, channel)
        processes: list[BaseProcess] = []
        try:
            with _interruptions_deferred(), _without_main():
                ranks = start_processes(  # type: ignore[no-untyped-call]
                    _rank, args=arguments, nprocs=plan.ranks, join=False, daemon=True, start_method="spawn"
                )
                processes += ranks.processes
            while not ranks.join(timeout=0.2):
                _drain(channel, told)
        except ProcessException as error:
            _drain(channel, told)  # what a rank said of its end is more than its traceback
            raise _in_words(error) from error
        finally:
            _end(processes)
        _drain(channel, told)


@dataclass(frozen=True, eq=False)
class _Meeting:
    """Where ranks find each other: see `Processes`; and the file through which a group of `Devices` is made."""

    memory: Path
    taken: Any
    barrier: Any
    group: Path


@contextmanager
def _interruptions_deferred() -> Iterator[None]:
    """Start something whole: a signal waits until it is up, and a process never sees Ctrl-C.

    A process whose start is cut off, or that Ctrl-C reaches through its group, would end with a traceback; all of them
    are ended by this one instead. A mask is inherited; it does not keep the signal from this process, as other threads
    may take it, so that its handlers have to wait too.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    caught: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {
            number: signal.signal(number, lambda number, frame: caught.append(number))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not run the caller's program again.

    A process that is spawned imports what `__main__` was read from, for the sake of what is defined there. Nothing of
    that is sent to a rank, and a script that calls this without `if __name__ == "__main__":` would begin anew in
    each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # of no file and no name that could be imported
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _in_words(error: ProcessException) -> CompressorError:
    if isinstance(error, ProcessExitedException) and error.signal_name == "SIGKILL":
        return ResourceError(
            f"a training process was killed ({error}), as the system does when memory runs out: free some, or use a "
            "machine with more; what was trained until the last checkpoint is kept, and the same command continues"
        )
    return CompressorError(f"a training process failed: {error}")


def _end(processes: Sequence[BaseProcess]) -> None:
    """Stop what still runs and wait for it, so that nothing is left behind."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def _drain(channel: Any, told: _Told) -> None:
    while True:
        try:
            told(channel.get_nowait())
        except queue.Empty:
            return


def _rank(
    rank: int, job: Job, plan: TrainPlan, result: Path, checkpoint: Path | None, meeting: _Meeting, channel: Any
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_memory()
    torch.set_num_threads(plan.threads)
    team, first = _team(rank, plan, meeting), rank == 0
    try:
        trainer = Trainer(job, plan, team, note=channel.put)
        trainer.run(checkpoint, (lambda step, loss: channel.put((step, loss))) if first else None)
    except ResourceError as error:
        channel.put(error)
        raise
    if first:
        _write(trainer.result, result)


def _team(rank: int, plan: TrainPlan, meeting: _Meeting) -> Team:
    if plan.device == "cpu":
        return Processes(rank, plan.ranks, meeting.memory, meeting.taken, meeting.barrier)
    device = torch.device(plan.device, rank)
    torch.cuda.set_device(device)
    torch.distributed.init_process_group(
        "nccl", init_method=f"file://{meeting.group}", rank=rank, world_size=plan.ranks, device_id=device
    )
    return Devices(rank, plan.ranks, device)


def _end_with_parent() -> None:
    """Leave when the process that wanted the training is gone, however it went: nobody would end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write(model: nn.Module, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    save_file({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}, partial)
    partial.replace(path)
