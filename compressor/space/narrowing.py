"""A network with a narrower residual stream, or another activation, that begins with another's weights.

Which channels of the stream stay is the same for all matrices: those that the sub-layers read with the most weight,

    importance of channel c = sum over norms of (gain_c)^2 x sum over the matrices behind the norm of |W[:, c]|^2

The means that the norms subtract change with the channels that are gone, so what comes out is a start for distillation
and no approximation (ETD, Chen et al. 2021, arXiv 2109.10147, section 3.1, extracts widths in the same spirit).
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from compressor.encoder import Attention, Encoder, FeedForward
from compressor.records.architecture import Activation


def channel_importance(network: Encoder) -> Tensor:
    """[hidden]: how much each channel of the residual stream is read."""
    norms = [network.embeddings.norm] if network.embeddings.projection is None else []
    total = torch.zeros(network.architecture.hidden)
    norm = norms[0] if norms else None
    for part in network.parts:
        if part is None:
            continue
        total += _read(norm, _readers(part))
        norm = part.norm
    return total + _read(norm, [module for module in network.head.children() if isinstance(module, nn.Linear)][:1])


def _readers(part: Attention | FeedForward) -> list[nn.Linear]:
    return [part.query, part.key, part.value] if isinstance(part, Attention) else [part.inner]


@torch.no_grad()
def _read(norm: nn.LayerNorm | None, readers: list[nn.Linear]) -> Tensor:
    squares = torch.stack([reader.weight.square().sum(0) for reader in readers]).sum(0)
    return squares if norm is None else squares * norm.weight.square()


def narrowed(network: Encoder, hidden: int, activation: Activation) -> Encoder:
    """The network with `hidden` channels and that activation.

    Args:
        network: With at least as many channels.
        hidden: Channels that stay, the most important ones.
        activation: Of the feed-forward sub-layers.
    """
    shape = replace(network.architecture, hidden=hidden, activation=activation)
    kept = channel_importance(network).topk(hidden).indices.sort().values
    student, source = Encoder(shape), network.state_dict()
    for name, value in student.state_dict().items():
        found = source[name]
        for axis in range(value.dim()):
            if found.shape[axis] != value.shape[axis]:
                found = found.index_select(axis, kept)
        value.copy_(found)
    return student.eval()
