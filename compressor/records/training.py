"""How a model is trained; every number that decides the result is in here."""

from dataclasses import dataclass

from compressor.errors import BorderError

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class TrainPlan:
    """One training.

    Attributes:
        steps: Optimiser steps.
        batch: Rows per step, over all ranks.
        learning_rate: Peak; linear warm-up, then linear to zero.
        warm_up_share: Share of the steps that warm up.
        weight_decay: Of AdamW, on matrices only.
        clip: Largest norm of the gradient.
        ranks: Processes that share each batch; see `Crew` of `compressor.train`.
        threads: Per rank.
        seed: Of the data order.
        checkpoint_steps: Steps between two checkpoints.
        bfloat16: Products of the layers in bfloat16, where the processor is faster in it; the rest in float32.
        parts: Each batch is computed in so many equal parts, which the ranks take as they come; None = one per rank.
            They decide the result, not who computes them.
        device: What the ranks compute on: "cpu", or "cuda", a GPU for each.
    """

    steps: int
    batch: int
    learning_rate: float
    ranks: int
    seed: int
    threads: int = 1
    warm_up_share: float = 0.06
    weight_decay: float = 0.01
    clip: float = 1.0
    checkpoint_steps: int = 500
    bfloat16: bool = False
    parts: int | None = None
    device: str = "cpu"

    @property
    def parts_per_step(self) -> int:
        """Parts that a batch is computed in."""
        return self.ranks if self.parts is None else self.parts


def check_plan(plan: TrainPlan) -> TrainPlan:
    """Border check: at least one step, a batch of equal parts, at least one for every rank, and a known device."""
    parts = plan.parts_per_step
    if plan.steps < 1 or plan.ranks < 1 or parts < plan.ranks or plan.batch < parts or plan.batch % parts:
        raise BorderError(
            f"expected steps >= 1, ranks >= 1, no fewer parts, and a batch that is a multiple of the parts, got {plan}"
        )
    if plan.device not in DEVICES or plan.threads < 1:
        raise BorderError(f"expected threads >= 1 and one of the devices {', '.join(DEVICES)}, got {plan}")
    return plan
