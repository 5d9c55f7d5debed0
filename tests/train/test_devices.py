"""A team of devices with memory of their own: the sums go over the wire, and every rank ends with the same weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_jobs import Regression
from torch.multiprocessing.spawn import start_processes

from compressor.records.training import TrainPlan
from compressor.train import Trainer, crew_on, train, usable_gpus
from compressor.train.team import CPU, Alone, Devices, Workspace

PLAN = TrainPlan(steps=7, batch=8, learning_rate=0.05, ranks=2, seed=0, checkpoint_steps=3, parts=4)


def rank_of_a_group(rank: int, plan: TrainPlan, folder: Path) -> None:
    """What a rank with a GPU does, with gloo and the CPU in the place of nccl and the GPU."""
    torch.set_num_threads(1)
    group = f"file://{folder / 'group'}"
    torch.distributed.init_process_group("gloo", init_method=group, rank=rank, world_size=plan.ranks)
    trainer = Trainer(Regression(batch=8), plan, Devices(rank, plan.ranks, CPU))
    trainer.run(folder / "checkpoint", until=plan.steps)
    save_file({name: value.contiguous() for name, value in trainer.model.state_dict().items()}, folder / f"rank{rank}")
    torch.distributed.destroy_process_group()


def run_group(plan: TrainPlan, folder: Path) -> list[dict[str, torch.Tensor]]:
    """All ranks; what each ends with."""
    folder.mkdir()
    start_processes(rank_of_a_group, args=(plan, folder), nprocs=plan.ranks, start_method="spawn")
    return [load_file(folder / f"rank{rank}") for rank in range(plan.ranks)]


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.heavy)])
def test_every_rank_ends_with_the_weights_of_one(ranks: int, tmp_path: Path) -> None:
    plan = replace(PLAN, ranks=ranks)
    alone = Trainer(Regression(batch=8), replace(plan, ranks=1))
    alone.run()
    for found in run_group(plan, tmp_path / "group"):
        for name, value in alone.model.state_dict().items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)


@pytest.mark.heavy
def test_a_group_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "group"
    (whole, _) = run_group(PLAN, folder)
    (folder / "group").unlink(missing_ok=True)
    assert int(load_file(folder / "checkpoint")["step"]) == PLAN.steps - 1
    start_processes(rank_of_a_group, args=(PLAN, folder), nprocs=2, start_method="spawn")
    for name, value in whole.items():
        torch.testing.assert_close(load_file(folder / "rank1")[name], value, rtol=0, atol=1e-6)


def test_vectors_on_a_device_are_those_of_shared_memory() -> None:
    space = Workspace.on(CPU, size=5, parts=3, ranks=2)
    shapes = [tuple(getattr(space, name).shape) for name in ("values", "gradients", "moments", "losses", "norms")]
    assert shapes == [(5,), (3, 5), (2, 5), (3,), (2,)]
    assert space.losses.dtype == space.norms.dtype == torch.float64


def test_parts_are_dealt_out_evenly() -> None:
    parts = [list(Devices(rank, 3, CPU).parts(7, 7)) for rank in range(3)]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_training_on_gpus_ends_with_the_weights_of_the_cpu(tmp_path: Path) -> None:
    crew = crew_on(4, gpus=usable_gpus())
    train(Regression(batch=8), replace(PLAN, ranks=1), tmp_path / "cpu")
    on_gpus = replace(PLAN, ranks=crew.ranks, device=crew.device)
    train(Regression(batch=8), on_gpus, tmp_path / "cuda", checkpoint=tmp_path / "checkpoint")
    theirs = load_file(tmp_path / "cuda")
    for name, value in load_file(tmp_path / "cpu").items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_computes_what_the_cpu_does() -> None:
    plan = replace(PLAN, ranks=1)
    trainers = [Trainer(Regression(batch=8), plan, Alone(device=torch.device(kind))) for kind in ("cpu", "cuda")]
    for trainer in trainers:
        trainer.run()
    ours, theirs = (trainer.model.cpu().state_dict() for trainer in trainers)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-5)
