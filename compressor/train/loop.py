"""The one training loop, run by every rank.

    gradient = sum over the parts of a batch of d(sum of the losses of the part's rows)/dw / batch

Every rank holds the whole model on shared values, takes parts of the batch as they come, and sums, clips and updates
its own share of all parameters (the optimiser's state is sharded as in ZeRO, Rajbhandari et al. 2020, arXiv
1910.02054, section 5.1); on GPUs every rank has all of it (`team.py`). Given plan and data the result does not depend
on who computed what, nor on when it was interrupted.

A gradient that is not finite is a step back: to the last snapshot, and on from there at half the rate. A part for
which memory does not suffice is computed in several passes (`passes.py`): the same sum, but for its last bits.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from compressor.errors import CompressorError
from compressor.records.training import TrainPlan
from compressor.train.bfloat16 import round_products
from compressor.train.flat import FlatParameters
from compressor.train.job import Job, Setup
from compressor.train.passes import Note, Passes, Rows
from compressor.train.team import Alone, Team

Report = Callable[[int, float], None]

REPORT_SECONDS = 1.0
SMOOTHING = 0.98  # of the reported loss, per step
SNAPSHOT_STEPS = 50
MOST_HALVINGS = 3


def learning_rate(plan: TrainPlan, step: int) -> float:
    """Linear warm-up to the peak, then linear to zero behind the last step."""
    warm_up = max(1, round(plan.warm_up_share * plan.steps))
    if step < warm_up:
        return plan.learning_rate * (step + 1) / warm_up
    return plan.learning_rate * (plan.steps - step) / max(1, plan.steps - warm_up)


@dataclass(frozen=True)
class _Snapshot:
    """A rank's share of values [share] and moments [2, share] in front of a step."""

    step: int
    values: Tensor
    moments: Tensor


class Trainer:
    """One rank of a training: `run`, then read the model.

    Attributes:
        model: What is trained.
        result: The part of it that is kept.
        rounded_products: Number of its linear layers that compute in bfloat16.
    """

    def __init__(self, job: Job, plan: TrainPlan, team: Team | None = None, *, note: Note | None = None) -> None:
        self._plan, self._note = plan, note
        self._team = Alone(device=torch.device(plan.device)) if team is None else team
        self._setup: Setup = job.setup()
        inner = self._setup.inner if plan.bfloat16 else None
        self.rounded_products = 0 if inner is None else round_products(inner)
        self.model = self._setup.model.to(self._team.device).train()
        self.result = self.model if self._setup.result is None else self._setup.result
        self._passes = Passes(self._loss, plan, note)
        self._flat = FlatParameters(self.model)
        self._space = self._team.workspace(self._flat.size, plan.parts_per_step)
        if self._team.rank == 0 or not self._team.shared:
            self._flat.write(self._space.values)
        self._team.meet()
        self._flat.read_from(self._space.values)
        self._share = self._team.share(self._flat.size)
        self._gradient = torch.empty(self._share.stop - self._share.start, device=self._team.device)
        self._optimiser = self._make_optimiser()
        self._step, self._turn, self._halvings = 0, 0, 0
        self._snapshot = self._copy()

    def run(self, checkpoint: Path | None = None, report: Report | None = None, *, until: int | None = None) -> None:
        """Train from the checkpoint, if there is one, to the end of the plan (or to step `until`).

        Raises:
            CompressorError: The gradient was not finite again and again.
            ResourceError: Memory does not suffice for a single row.
        """
        if checkpoint is not None and checkpoint.exists():
            self._restore(checkpoint)
        reported, average = time.monotonic(), 0.0
        end = self._plan.steps if until is None else min(until, self._plan.steps)
        while self._step < end:
            loss = self._one_step()
            if loss is None:
                continue
            average = loss if average == 0.0 else SMOOTHING * average + (1 - SMOOTHING) * loss
            if report is not None and (time.monotonic() - reported > REPORT_SECONDS or self._step == end):
                reported = time.monotonic()
                report(self._step, average)
            if self._step % SNAPSHOT_STEPS == 0:
                self._snapshot = self._copy()
            if checkpoint is not None and self._team.rank == 0 and self._step % self._plan.checkpoint_steps == 0:
                self._save(checkpoint)

    def _one_step(self) -> float | None:
        """The loss in front of the step; None = it was a step back."""
        own = []
        for part in self._team.parts(self._turn, self._plan.parts_per_step):
            self._compute(part)
            own.append(part)
        self._turn += 1
        self._team.sum_parts(self._space, own, self._gradient)
        self._gradient.div_(self._plan.batch)
        loss = float(self._space.losses.sum()) / self._plan.batch
        self._space.norms[self._team.rank] = self._gradient.double().square().sum()
        self._team.meet()
        norm = math.sqrt(float(self._space.norms.sum()))
        finite = math.isfinite(norm)
        if finite:
            self._update(min(1.0, self._plan.clip / (norm + 1e-6)))
        else:
            self._step_back()
        self._team.meet()
        return loss if finite else None

    def _compute(self, part: int) -> None:
        gradient = self._space.gradients[part]
        self._flat.gradients_into(gradient)
        rows = self._setup.order.rows(self._step, part, self._plan.parts_per_step)
        self._space.losses[part] = self._passes.loss(rows, gradient)

    def _loss(self, rows: Rows) -> Tensor:
        """Of rows, at this step."""
        return self._setup.step_at(self._step / self._plan.steps)(self.model, rows)

    @property
    def _rate(self) -> float:
        return math.ldexp(learning_rate(self._plan, self._step), -self._halvings)

    def _update(self, factor: float) -> None:
        self._gradient.mul_(factor)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate
        self._optimiser.step()
        self._step += 1

    def _step_back(self) -> None:
        """Continue from the last snapshot, at half the rate."""
        found = f"the gradient of step {self._step} is not finite at learning rate {self._rate:.2g}"
        self._set(self._snapshot)
        if self._halvings == MOST_HALVINGS:
            raise CompressorError(f"training diverged: {found}, which was lowered {self._halvings} times")
        self._halvings += 1
        if self._note is not None:
            self._note(f"{found}: back to step {self._step}, and on at half the rate")

    def _make_optimiser(self) -> torch.optim.Optimizer:
        """On views of this rank's share, with Adam's moments in the workspace."""
        begin = self._share.start
        groups: list[dict[str, Any]] = []
        states: dict[Tensor, dict[str, Tensor]] = {}
        for piece, decay in self._flat.decay(self._share, self._plan.weight_decay):
            parameter = torch.nn.Parameter(self._space.values[piece])
            parameter.grad = self._gradient[piece.start - begin : piece.stop - begin]
            first, second = self._space.moments[:, piece]
            step = torch.tensor(0.0, device=self._team.device)
            states[parameter] = {"step": step, "exp_avg": first, "exp_avg_sq": second}
            groups.append({"params": [parameter], "weight_decay": decay})
        optimiser = torch.optim.AdamW(groups, lr=self._plan.learning_rate, fused=True)
        optimiser.state.update(states)
        return optimiser

    def _copy(self) -> _Snapshot:
        share = self._share
        return _Snapshot(self._step, self._space.values[share].clone(), self._space.moments[:, share].clone())

    def _set(self, snapshot: _Snapshot) -> None:
        """Put this rank's share back; the others do the same with theirs."""
        self._space.values[self._share] = snapshot.values
        self._space.moments[:, self._share] = snapshot.moments
        self._step = snapshot.step
        for state in self._optimiser.state.values():
            state["step"].fill_(snapshot.step)

    def _save(self, path: Path) -> None:
        tensors = {
            "values": self._space.values.cpu(),
            "moments": self._space.moments.cpu(),
            "step": torch.tensor(self._step),
            "halvings": torch.tensor(self._halvings),
        }
        partial = path.with_name(path.name + ".partial")
        save_file(tensors, partial)
        partial.replace(path)

    def _restore(self, path: Path) -> None:
        tensors, share = load_file(path), self._share
        self._set(_Snapshot(int(tensors["step"]), tensors["values"][share], tensors["moments"][:, share]))
        self._halvings = int(tensors["halvings"])
        self._snapshot = self._copy()
        self._team.meet()
