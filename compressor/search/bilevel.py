"""Bilevel optimisation of a supernet (DARTS, arXiv 1806.09055, eq. 3 and 4, first order).

    min over alpha of  L_b(w*(alpha), alpha) + price E[latency](alpha) / limit
    with w*(alpha)  =  argmin over w of L_a(w, alpha)

L_a and L_b are the same loss on two halves of the training text. One step of w on a batch of the first half, one of
alpha on a batch of the second, in turn; the second order, which takes four passes more, is left out. The expected
latency is the sum of the blocks' costs on the device by the table, weighted as the edges mix them (ProxylessNAS, arXiv
1812.00332, eq. 2); the hard limit holds when the cell is discretised.

A gradient that is not finite moves nothing, in neither level: the step is left out. Deterministic given the number of
steps: a run that was interrupted goes on from its last checkpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compressor.errors import CompressorError
from compressor.search.supernet import Supernet
from compressor.train import DataOrder, Step

RATE, DECAY, CLIP = 1e-3, 1e-2, 1.0
CHOICE_RATE, CHOICE_BETAS, CHOICE_DECAY = 1e-2, (0.5, 0.999), 1e-3
# Steps before the architecture weights move: until then blocks without weights of their own would win.
WARM_UP_SHARE = 0.15
LATENCY_PRICE = 0.3
CHECKPOINT_STEPS, CHECK_STEPS = 50, 10
MOST_LEFT_OUT = 10  # steps in a row

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
class Half:
    """Some rows, in the order in which they are seen."""

    numbers: NDArray[np.int64]
    order: DataOrder

    def rows(self, step: int) -> NDArray[np.int64]:
        """Row numbers of a step."""
        return self.numbers[self.order.rows(step)]


@dataclass(frozen=True, eq=False)
class Halves:
    """What block weights, and what architecture weights are trained on; no row is in both."""

    weights: Half
    choices: Half

    @classmethod
    def drawn(cls, lengths: NDArray[np.int64], *, batch: int, seed: int) -> "Halves":
        """Half of the rows each.

        Args:
            lengths: Tokens of every row.
            batch: Rows per step.
            seed: Of the draw and of both orders.
        """
        drawn = np.random.default_rng(seed).permutation(len(lengths))
        parts = np.sort(drawn[: len(drawn) // 2]), np.sort(drawn[len(drawn) // 2 :])
        return cls(*(Half(part, DataOrder(lengths[part], batch, seed + i)) for i, part in enumerate(parts)))

    def usual_share(self, steps: int) -> float:
        """Tokens of all rows of a step, on average over all steps, over those of one of the first steps."""
        orders = (self.weights.order, self.choices.order)
        usual = sum(order.batch * float(order.lengths.mean()) for order in orders)
        seen = sum(int(order.lengths[order.rows(step)].sum()) for order in orders for step in range(steps))
        return usual * steps / seen


def bilevel(
    model: nn.Module,
    supernet: Supernet,
    step_at: Callable[[float], Step],
    halves: Halves,
    expected_share: Callable[[Tensor, Tensor], Tensor],
    *,
    steps: int,
    seed: int,
    checkpoint: Path | None = None,
    report: Report | None = None,
) -> Choice:
    """Train both levels.

    Args:
        model: What the loss is called with: the supernet, or what holds it and the projections of its losses.
        supernet: Changed in place.
        step_at: Share of the search in [0, 1) -> loss: (model, row numbers) -> sum of the rows' losses.
        halves: What each level sees.
        expected_share: (edge weights, aggregation weights) -> expected latency over the limit, a scalar with gradient.
        steps: Of each level.
        seed: Of the dropped rows.
        checkpoint: Read where it is there, written every some steps.
        report: Told the step and the loss about every ten steps.

    Raises:
        CompressorError: One gradient after the other was not finite.
    """
    weights = _weights(model, supernet)
    optimisers = (
        torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY),
        torch.optim.Adam(supernet.choices, lr=CHOICE_RATE, betas=CHOICE_BETAS, weight_decay=CHOICE_DECAY),
    )
    begin = _restore(checkpoint, model, optimisers)
    model.train()
    left_out = 0
    for number in range(begin, steps):
        torch.manual_seed(seed * 1_000_003 + number)
        step = step_at(number / steps)
        _set_rate(optimisers[0], RATE * (1 - number / steps))
        model.zero_grad()
        loss = _backward(step, model, halves.weights.rows(number))
        moved = _moved(optimisers[0], weights, clip=CLIP)
        if number >= WARM_UP_SHARE * steps:
            before = [choice.detach().clone() for choice in supernet.choices]
            model.zero_grad()
            share = expected_share(supernet.alpha.softmax(1), supernet.beta.softmax(0))
            _backward(step, model, halves.choices.rows(number), LATENCY_PRICE * share)
            moved = _moved(optimisers[1], supernet.choices) and moved
            if supernet.leans_on_identity():
                _put_back(supernet, before)
                return _choice(supernet, number)
        left_out = 0 if moved else left_out + 1
        if left_out > MOST_LEFT_OUT:
            raise _diverged(number, loss)
        if report is not None and number % CHECK_STEPS == 0:
            report(number, loss)
        if checkpoint is not None and (number + 1) % CHECKPOINT_STEPS == 0:
            _save(checkpoint, model, optimisers, number + 1)
    return _choice(supernet, steps)


def _weights(model: nn.Module, supernet: Supernet) -> list[nn.Parameter]:
    """Everything that is trained but the architecture's weights."""
    chosen = {id(choice) for choice in supernet.choices}
    return [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in chosen]


def _backward(step: Step, model: nn.Module, rows: NDArray[np.int64], price: Tensor | float = 0.0) -> float:
    loss = step(model, rows) / len(rows)
    (loss + price).backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _moved(optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], clip: float | None = None) -> bool:
    """Take a step, unless the gradient is not finite."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not all(bool(gradient.isfinite().all()) for gradient in gradients):
        return False
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(parameters, clip)
    optimiser.step()
    return True


def _diverged(step: int, loss: float) -> CompressorError:
    return CompressorError(
        f"the search of cells diverged: the gradients of {MOST_LEFT_OUT + 1} steps in a row up to step {step} are not "
        f"finite, at a loss of {loss:.4g}; use other losses (--distill) with smaller weights, or another --seed"
    )


def _choice(supernet: Supernet, steps: int) -> Choice:
    return Choice(supernet.alpha.detach().softmax(1), supernet.beta.detach().softmax(0), steps)


@torch.no_grad()
def _put_back(supernet: Supernet, before: list[Tensor]) -> None:
    for choice, value in zip(supernet.choices, before, strict=True):
        choice.copy_(value)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _save(path: Path, model: nn.Module, optimisers: tuple[torch.optim.Optimizer, ...], step: int) -> None:
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for level, optimiser in enumerate(optimisers):
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{level}.{number}.{name}": value for name, value in state.items()}
    partial = path.with_name(path.name + ".partial")
    save_file({**tensors, "step": torch.tensor(step)}, partial)
    partial.replace(path)


def _restore(path: Path | None, model: nn.Module, optimisers: tuple[torch.optim.Optimizer, ...]) -> int:
    """The step to go on with."""
    if path is None or not path.exists():
        return 0
    tensors = load_file(path)
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    for level, optimiser in enumerate(optimisers):
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimiser.{level}."):
                _, _, number, part = name.split(".")
                states.setdefault(int(number), {})[part] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
    return int(tensors["step"])
