"""What losses on hidden states share: the vectors that are compared, their mean over tokens, and projections.

PKD, NAS-KD and ALP-KD compare what answers for a text: its head reads one vector of the last layer, and that one is
compared in every layer, the first token's, [CLS], or what the model pools. A per-token model's head reads every token,
so all are compared, and their mean is the row's. CKD and TinyBERT compare every token of every model.

A student that was cut out of its teacher keeps some of its heads and channels, in other places. AdamW moves a weight
by hardly more than the learning rate a step, so a projection would take longer than the training to find them:

    W = argmin of sum over the vectors of |y - W x|^2 + r |W - W_0|^2 = (Y^T X + r W_0) (X^T X + r I)^-1

W_0 is where it begins, r is RIDGE times the mean of the diagonal of X^T X. Solved once, in front of the training.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compressor.encoder import Trace

RIDGE = 1e-3
VECTORS_AT_ONCE = 65_536  # in double precision


class Projection(nn.Linear):
    """A learned product without bias from vectors side by side to one.

    It begins as the mean of the vectors, cut off or filled up with zeros, so that what is equal already stays equal,
    and nothing depends on a seed.

    Args:
        inputs: Widths of the vectors side by side.
        output: Width of what comes out.
    """

    def __init__(self, inputs: Sequence[int], output: int) -> None:
        super().__init__(sum(inputs), output, bias=False)
        with torch.no_grad():
            self.weight.copy_(torch.cat([torch.eye(output, width) for width in inputs], dim=1) / len(inputs))
        self._moments: tuple[Tensor, Tensor] | None = None  # X^T X and Y^T X

    @torch.no_grad()
    def observe(self, inputs: Tensor, targets: Tensor) -> None:
        """Add pairs of vectors to what is solved for.

        Args:
            inputs: [..., width of the inputs].
            targets: [..., width of the output], of as many vectors.
        """
        pairs = inputs.reshape(-1, self.in_features), targets.reshape(-1, self.out_features)
        for some, wanted in zip(*(torch.split(part, VECTORS_AT_ONCE) for part in pairs), strict=True):
            x, y = some.double(), wanted.double()
            inner, outer = x.T @ x, y.T @ x
            if self._moments is not None:
                inner, outer = inner + self._moments[0], outer + self._moments[1]
            self._moments = inner, outer

    @torch.no_grad()
    def fit(self) -> None:
        """Solve for what was observed, and forget it; nothing observed, nothing changed."""
        if self._moments is None:
            return
        inner, outer = self._moments
        self._moments = None
        ridge = RIDGE * float(inner.diagonal().mean())
        if not 0 < ridge < math.inf:
            return  # inputs that are all zero, or not finite, say nothing
        matrix = inner + ridge * torch.eye(self.in_features, dtype=inner.dtype)
        # W M = B with a symmetric M is M W^T = B^T.
        self.weight.copy_(torch.linalg.solve(matrix, (outer + ridge * self.weight.double()).T).T)


def widened(student: int, teacher: int) -> nn.Module:
    """From the student's width to the teacher's: nothing where they are equal, else a projection."""
    return nn.Identity() if student == teacher else Projection((student,), teacher)


def show(projected: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    """Let what `widened` made observe pairs; where widths are equal there is nothing to be found."""
    if isinstance(projected, Projection):
        projected.observe(inputs, targets)


def vectors(trace: Trace, layer: int, *, per_token: bool) -> Tensor:
    """What answers in h_l, l > 0: [batch, 1, width]; of a per-token model [batch, length, width]."""
    return trace.hidden[layer] if per_token else trace.row(layer)[:, None]


def flat(values: Tensor, mask: Tensor) -> Tensor:
    """Vectors of the real tokens [vectors, width].

    Args:
        values: [batch, length, width], or [batch, 1, width] where there is one vector per row.
        mask: int64 [batch, length], 1 = token.
    """
    return values[:, 0] if values.shape[1] == 1 else values[mask.bool()]


def summed_over_rows(values: Tensor, mask: Tensor) -> Tensor:
    """Sum over rows of the means over their tokens, a scalar.

    Args:
        values: [batch, length], or [batch, 1] where there is one vector per row.
        mask: int64 [batch, length], 1 = token.
    """
    return values.sum() if values.shape[1] == 1 else (values * token_shares(mask, values.dtype)).sum()


def token_shares(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """[batch, length]: one over the tokens of the row, 0 where it is padded."""
    real = mask.to(dtype)
    return real / real.sum(1, keepdim=True).clamp(min=1)
