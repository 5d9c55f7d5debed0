"""Bilevel optimisation of a supernet (DARTS, arXiv 1806.09055, eq. 3 and 4, first order).

    min over alpha of  L_b(w*(alpha), alpha) + price E[latency](alpha) / limit
    with w*(alpha)  =  argmin over w of L_a(w, alpha)

L_a and L_b are the same loss on two halves of the training text. One step of w on a batch of the first half, one of
alpha on a batch of the second, in turn; the second order, which takes four passes more, is left out. The expected
latency is the sum of the blocks' costs on the device by the table, weighted as the edges mix them (ProxylessNAS, arXiv
1812.00332, eq. 2); the hard limit holds when the cell is discretised.

Deterministic given the number of steps: a run that was interrupted goes on from its last checkpoint.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from compressor.search.supernet import Supernet
from compressor.train import DataOrder, Step

RATE, DECAY, CLIP = 1e-3, 1e-2, 1.0
CHOICE_RATE, CHOICE_BETAS, CHOICE_DECAY = 1e-2, (0.5, 0.999), 1e-3
# Steps before the architecture weights move: until then blocks without weights of their own would win.
WARM_UP_SHARE = 0.15
LATENCY_PRICE = 0.3
CHECKPOINT_STEPS, CHECK_STEPS = 50, 10

Report = Callable[[int, float], None]


@dataclass(frozen=True)
class Choice:
    """Where a search ended: softmax weights.

    Attributes:
        edges: [edges, blocks].
        aggregations: [aggregations]; empty where every token gets an answer.
        steps: Of each level that were taken; fewer than planned where the search was stopped before it collapsed.
    """

    edges: Tensor
    aggregations: Tensor
    steps: int


@dataclass(frozen=True, eq=False)
class Halves:
    """Which rows each level sees.

    Attributes:
        weights: Order of the rows that block weights are trained on.
        choices: Order of those that architecture weights are trained on.
    """

    weights: DataOrder
    choices: DataOrder


def bilevel(
    supernet: Supernet,
    step: Step,
    halves: Halves,
    rows: tuple[Tensor, Tensor],
    expected_share: Callable[[Tensor, Tensor], Tensor],
    *,
    steps: int,
    seed: int,
    checkpoint: Path | None = None,
    report: Report | None = None,
) -> Choice:
    """Train both levels.

    Args:
        supernet: Changed in place.
        step: (supernet, row numbers) -> sum of the rows' losses.
        halves: Orders over each half.
        rows: Row numbers of each half, int64: what the orders' numbers stand for.
        expected_share: (edge weights, aggregation weights) -> expected latency over the limit, a scalar with gradient.
        steps: Of each level.
        seed: Of the dropped rows.
        checkpoint: Read where it is there, written every some steps.
        report: Told the step and the loss about every ten steps.
    """
    optimisers = (
        torch.optim.AdamW(supernet.weights(), lr=RATE, weight_decay=DECAY),
        torch.optim.Adam(supernet.choices, lr=CHOICE_RATE, betas=CHOICE_BETAS, weight_decay=CHOICE_DECAY),
    )
    begin = _restore(checkpoint, supernet, optimisers)
    supernet.train()
    for number in range(begin, steps):
        torch.manual_seed(seed * 1_000_003 + number)
        _set_rate(optimisers[0], RATE * (1 - number / steps))
        loss = _step_of_weights(supernet, step, rows[0][halves.weights.rows(number)], optimisers[0])
        if number >= WARM_UP_SHARE * steps:
            before = [choice.detach().clone() for choice in supernet.choices]
            _step_of_choices(supernet, step, rows[1][halves.choices.rows(number)], expected_share, optimisers[1])
            if supernet.leans_on_identity():
                _put_back(supernet, before)
                return _choice(supernet, number)
        if report is not None and number % CHECK_STEPS == 0:
            report(number, loss)
        if checkpoint is not None and (number + 1) % CHECKPOINT_STEPS == 0:
            _save(checkpoint, supernet, optimisers, number + 1)
    return _choice(supernet, steps)


def _step_of_weights(supernet: Supernet, step: Step, rows: Tensor, optimiser: torch.optim.Optimizer) -> float:
    supernet.zero_grad()
    loss = step(supernet, rows.numpy()) / len(rows)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(list(supernet.weights()), CLIP)
    optimiser.step()
    return float(loss.detach())


def _step_of_choices(
    supernet: Supernet,
    step: Step,
    rows: Tensor,
    expected_share: Callable[[Tensor, Tensor], Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    supernet.zero_grad()
    share = expected_share(supernet.alpha.softmax(1), supernet.beta.softmax(0))
    loss = step(supernet, rows.numpy()) / len(rows) + LATENCY_PRICE * share
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _choice(supernet: Supernet, steps: int) -> Choice:
    return Choice(supernet.alpha.detach().softmax(1), supernet.beta.detach().softmax(0), steps)


@torch.no_grad()
def _put_back(supernet: Supernet, before: list[Tensor]) -> None:
    for choice, value in zip(supernet.choices, before, strict=True):
        choice.copy_(value)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _save(path: Path, supernet: Supernet, optimisers: tuple[torch.optim.Optimizer, ...], step: int) -> None:
    tensors = {f"model.{name}": value for name, value in supernet.state_dict().items()}
    for level, optimiser in enumerate(optimisers):
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{level}.{number}.{name}": value for name, value in state.items()}
    partial = path.with_name(path.name + ".partial")
    save_file({**tensors, "step": torch.tensor(step)}, partial)
    partial.replace(path)


def _restore(path: Path | None, supernet: Supernet, optimisers: tuple[torch.optim.Optimizer, ...]) -> int:
    """The step to go on with."""
    if path is None or not path.exists():
        return 0
    tensors = load_file(path)
    supernet.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    for level, optimiser in enumerate(optimisers):
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimiser.{level}."):
                _, _, number, part = name.split(".")
                states.setdefault(int(number), {})[part] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
    return int(tensors["step"])
