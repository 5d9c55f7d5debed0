"""The one training loop, run by every rank.

    gradient = sum over ranks of d(sum of the losses of its rows)/dw / batch

Every rank holds the whole model, works on its share of each batch, and takes the same optimiser step on the summed
gradient, so that all stay equal. Given plan and data the result does not depend on when it was interrupted.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from compressor.errors import CompressorError
from compressor.records.training import TrainPlan
from compressor.train.bfloat16 import round_products
from compressor.train.flat import FlatParameters
from compressor.train.job import Job, Setup

Report = Callable[[int, float], None]
AllReduce = Callable[[torch.Tensor], None]

REPORT_SECONDS = 1.0
SMOOTHING = 0.98  # of the reported loss, per step


def learning_rate(plan: TrainPlan, step: int) -> float:
    """Linear warm-up to the peak, then linear to zero behind the last step."""
    warm_up = max(1, round(plan.warm_up_share * plan.steps))
    if step < warm_up:
        return plan.learning_rate * (step + 1) / warm_up
    return plan.learning_rate * (plan.steps - step) / max(1, plan.steps - warm_up)


class Trainer:
    """One rank of a training: `run`, then read the model.

    Attributes:
        model: What is trained.
        rounded_products: Number of its linear layers that compute in bfloat16.
    """

    def __init__(self, job: Job, plan: TrainPlan, *, rank: int = 0, all_reduce: AllReduce | None = None) -> None:
        self._plan, self._rank = plan, rank
        self._all_reduce = all_reduce
        self._setup: Setup = job.setup()
        inner = self._setup.inner if plan.bfloat16 else None
        self.rounded_products = 0 if inner is None else round_products(inner)
        self.model = self._setup.model.train()
        self._flat = FlatParameters(self.model)
        self._optimiser = torch.optim.AdamW(self._flat.groups(plan.weight_decay), lr=plan.learning_rate, fused=True)
        self._step = 0

    def run(self, checkpoint: Path | None = None, report: Report | None = None, *, until: int | None = None) -> None:
        """Train from the checkpoint, if there is one, to the end of the plan (or to step `until`)."""
        if checkpoint is not None and checkpoint.exists():
            self._restore(checkpoint)
        reported, average = time.monotonic(), 0.0
        end = self._plan.steps if until is None else min(until, self._plan.steps)
        while self._step < end:
            loss = self._one_step()
            average = loss if average == 0.0 else SMOOTHING * average + (1 - SMOOTHING) * loss
            self._step += 1
            if report is not None and (time.monotonic() - reported > REPORT_SECONDS or self._step == end):
                reported = time.monotonic()
                report(self._step, average)
            if checkpoint is not None and self._rank == 0 and self._step % self._plan.checkpoint_steps == 0:
                self._save(checkpoint)

    def _one_step(self) -> float:
        plan = self._plan
        rows = self._setup.order.rows(self._step, self._rank, plan.ranks)
        self._flat.gradients.zero_()
        loss = self._setup.step(self.model, rows) / plan.batch
        loss.backward()  # type: ignore[no-untyped-call]
        if self._all_reduce is not None:
            self._all_reduce(self._flat.gradients)
        norm = float(self._flat.clip(plan.clip))
        if norm != norm or norm == float("inf"):
            raise CompressorError(
                f"training diverged: the gradient of step {self._step} is not finite at learning rate "
                f"{learning_rate(plan, self._step):.2g}; lower the rate"
            )
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(plan, self._step)
        self._optimiser.step()
        return float(loss.detach()) * plan.ranks

    def _save(self, path: Path) -> None:
        tensors = {"values": self._flat.values, "step": torch.tensor(self._step)}
        for index, group in enumerate(self._optimiser.param_groups):
            for name, value in self._optimiser.state[group["params"][0]].items():
                tensors[f"{index}.{name}"] = value
        partial = path.with_name(path.name + ".partial")
        save_file(tensors, partial)
        partial.replace(path)

    def _restore(self, path: Path) -> None:
        tensors = load_file(path)
        self._step = int(tensors.pop("step"))
        self._flat.values.copy_(tensors.pop("values"))
        for key, value in tensors.items():
            index, name = key.split(".", 1)
            self._optimiser.state[self._optimiser.param_groups[int(index)]["params"][0]][name] = value
