"""How a student inherits its weights: the rows and columns of the heads and neurons that its cut keeps."""

import torch
from torch import Tensor, nn

from compressor.encoder import Attention, Encoder, FeedForward
from compressor.records.architecture import Architecture, Cut, LayerCut, check_cut


def student_architecture(teacher: Architecture, cut: Cut) -> Architecture:
    """Shape of the student; layers that keep nothing are gone."""
    return teacher.with_layers(check_cut(cut, teacher).widths())


def inherit(teacher: Encoder, cut: Cut) -> Encoder:
    """A student that computes what the teacher does with the cut heads and neurons at zero.

    That holds exactly for sub-layers that keep a unit; a sub-layer that keeps none goes with its bias and its norm.
    """
    student = Encoder(student_architecture(teacher.architecture, cut))
    student.embeddings.load_state_dict(teacher.embeddings.state_dict())
    student.head.load_state_dict(teacher.head.state_dict())
    kept = [index for index, layer in enumerate(cut.layers) if layer.heads or layer.neurons]
    for target, index in zip(student.layers, kept, strict=True):
        _inherit_layer(teacher.layers[index], target, cut.layers[index], teacher.architecture.head_size)
    return student.eval()


def _inherit_layer(source: nn.Module, target: nn.Module, kept: LayerCut, head_size: int) -> None:
    if isinstance(source.attention, Attention) and isinstance(target.attention, Attention):
        columns = (torch.tensor(kept.heads)[:, None] * head_size + torch.arange(head_size)).flatten()
        for name in ("query", "key", "value"):
            _copy_rows(getattr(source.attention, name), getattr(target.attention, name), columns)
        _copy_columns(source.attention.output, target.attention.output, columns)
        target.attention.norm.load_state_dict(source.attention.norm.state_dict())
        if source.attention.relative is not None and target.attention.relative is not None:
            table = source.attention.relative.table.weight[:, torch.tensor(kept.heads)]
            target.attention.relative.table.load_state_dict({"weight": table})
    if isinstance(source.feed_forward, FeedForward) and isinstance(target.feed_forward, FeedForward):
        neurons = torch.tensor(kept.neurons)
        _copy_rows(source.feed_forward.inner, target.feed_forward.inner, neurons)
        _copy_columns(source.feed_forward.output, target.feed_forward.output, neurons)
        target.feed_forward.norm.load_state_dict(source.feed_forward.norm.state_dict())


@torch.no_grad()
def _copy_rows(source: nn.Linear, target: nn.Linear, rows: Tensor) -> None:
    target.weight.copy_(source.weight[rows])
    target.bias.copy_(source.bias[rows])


@torch.no_grad()
def _copy_columns(source: nn.Linear, target: nn.Linear, columns: Tensor) -> None:
    target.weight.copy_(source.weight[:, columns])
    target.bias.copy_(source.bias)
