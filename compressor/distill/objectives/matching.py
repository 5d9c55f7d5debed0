"""What losses on hidden states share: the vectors that are compared, their mean over tokens, and projections.

Where a model answers for a text, its head reads one vector of the last layer, and that one is compared in every layer:
the first token's, [CLS], as in PKD and ALP-KD. A per-token model's head reads every token, so all are compared, and
their mean is the row's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compressor.encoder import Trace


def vectors(trace: Trace, layer: int, *, per_token: bool) -> Tensor:
    """What is compared in h_l, [batch, 1, width]; of a per-token model [batch, length, width]."""
    return trace.hidden[layer] if per_token else trace.row(layer)[:, None]


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


def projection(inputs: Sequence[int], output: int) -> nn.Linear:
    """A learned product without bias from vectors side by side, of these widths, to one of width `output`.

    It begins as the mean of the vectors, cut off or filled up with zeros, so that what is equal already stays equal,
    and nothing depends on a seed.
    """
    linear = nn.Linear(sum(inputs), output, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.cat([torch.eye(output, width) for width in inputs], dim=1) / len(inputs))
    return linear


def widened(student: int, teacher: int) -> nn.Module:
    """From the student's width to the teacher's: nothing where they are equal, else a projection."""
    return nn.Identity() if student == teacher else projection((student,), teacher)
