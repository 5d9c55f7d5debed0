"""Products in bfloat16, everything else in float32.

    y = float(b(x) b(W)^T) + bias,   dL/dx = float(b(dL/dy) b(W)),   dL/dW = float(b(dL/dy)^T b(x))

b rounds to bfloat16; sums, weights and optimiser are float32 (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1;
with bfloat16: Kalamkar et al. 2019, arXiv 1905.12322). Autocast does more, elementwise operations included, and was
measured as slower.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

# A product with fewer inputs or outputs costs as much to round as it saves (benchmarks/log.md).
MIN_WIDTH = 64


class _RoundedProduct(torch.autograd.Function):
    """(x [..., in], weight [out, in], bias [out] or None) -> [..., out], float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rounded = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(*rounded)
        ctx.biased = bias is not None
        product = F.linear(*rounded).float()
        return product if bias is None else product.add_(bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        rounded = rows.bfloat16()
        of_x = (rounded @ weight).float().view_as(x)
        return of_x, (rounded.T @ x.flatten(0, -2)).float(), (rows.sum(0) if ctx.biased else None)


class RoundedLinear(nn.Module):
    """A linear layer on the same parameters, under the same names."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """`x`: float32 [..., in]."""
        product: Tensor = _RoundedProduct.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return product


def round_products(inner: nn.Module) -> int:
    """Put a `RoundedLinear` in the place of every linear layer that gains by it; returns their number."""
    places = [
        (parent, name, child)
        for parent in inner.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear) and min(child.in_features, child.out_features) >= MIN_WIDTH
    ]
    for parent, name, child in places:
        setattr(parent, name, RoundedLinear(child))
    return len(places)
