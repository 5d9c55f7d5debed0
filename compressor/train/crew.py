"""Who trains: as many processes of one thread as there are cores, or one for each GPU.

With fewer than four rows of a batch a process does little but wait for the others: there are 16 at most, and with more
cores each gets more threads. Where there are GPUs, the cores train nothing.
"""

from dataclasses import dataclass

import torch

from compressor.records.training import TrainPlan

MAX_RANKS = 16


@dataclass(frozen=True)
class Crew:
    """The processes that share each batch.

    Attributes:
        ranks: How many.
        threads: Of each.
        device: "cpu", or "cuda": a GPU for each.
    """

    ranks: int
    threads: int = 1
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.ranks} " + ("rank(s)" if self.device == "cpu" else "GPU(s)")


def crew_of(plan: TrainPlan) -> Crew:
    """Those that a plan is for."""
    return Crew(plan.ranks, plan.threads, plan.device)


def crew_on(cores: int, *, gpus: int = 0) -> Crew:
    """The crew of so many cores and GPUs."""
    if gpus:
        return Crew(min(gpus, MAX_RANKS), max(1, cores // gpus), "cuda")
    ranks = min(cores, MAX_RANKS)
    return Crew(ranks, cores // ranks)


def usable_gpus() -> int:
    """GPUs that torch can use here; 0 with a torch that was built without them."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
