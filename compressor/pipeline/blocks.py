"""Does every block of an emitted graph compute what the torch module computes?

Each block is cut out of the graph, reads what the module's block read, and is compared with what that computes from it
in double precision, so that the error of one block does not hide that of the next:

    difference = rms(graph - torch in float64) / rms(torch in float64)

The mean over all values rather than the largest: rounding averages out, a wrong epsilon or one wrong column does not.
MiniLM's blocks differ by 6e-8 to 5e-7, with an epsilon of 1e-5 in the place of 1e-12 by 9e-6 and more. How far the
module itself is from double precision says how much rounding costs in a block; the graph may be some times as far.
Graphs of a lower precision are compared with the fp32 one (`compressor.verification.quantised`).
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from compressor.encoder import Cell, CellStack, Encoder
from compressor.errors import BorderError
from compressor.records.latency import CompileOptions
from compressor.runtimes.base import Device
from compressor.verification.subgraphs import Cutter, relative_difference

Batch = Mapping[str, NDArray[np.int64]]

# Relative difference that is always allowed, and how much more than that of the module in float32.
TOLERANCE, ROUNDING = 3e-6, 10


@dataclass(frozen=True)
class Block:
    """A part of the encoder, in the module and in the graph.

    Attributes:
        name: For people.
        module: In torch.
        output: Tensor of the graph.
    """

    name: str
    module: torch.nn.Module
    output: str


def blocks_of(encoder: Encoder) -> tuple[Block, ...]:
    """Embeddings, the sub-layers in order (or the cells and the aggregation), the head."""
    embedded = "embeddings.projection" if encoder.embeddings.projection is not None else "embeddings.norm"
    blocks = [Block("the embeddings", encoder.embeddings, embedded)]
    if encoder.cells is not None:
        blocks += _blocks_of_cells(encoder.cells)
    for place, part in enumerate(encoder.parts):
        if part is not None:
            kind = ("attention", "feed_forward")[place % 2]
            name = f"the {kind.replace('_', '-')} of layer {place // 2}"
            blocks.append(Block(name, part, f"layer{place // 2}.{kind}.norm"))
    return (*blocks, Block("the head", encoder.head, "logits"))


def _blocks_of_cells(stack: CellStack) -> list[Block]:
    cells = [module for module in stack.cells if isinstance(module, Cell)]
    blocks = [Block(f"cell {i}", cell, f"cell{i}.{len(cell.nodes)}.norm") for i, cell in enumerate(cells)]
    if stack.aggregation is not None:
        blocks.append(Block("the aggregation", stack.aggregation, "aggregation"))
    return blocks


def check_blocks(encoder: Encoder, model: onnx.ModelProto, batch: Batch, device: Device) -> None:
    """Compare every block of an fp32 graph with torch.

    Args:
        encoder: What the graph was emitted from.
        model: The graph.
        batch: Padded rows: `input_ids` and what else the encoder takes, int64 [batch, length].
        device: Runs the blocks, without its optimiser.

    Raises:
        BorderError: A block differs by more than rounding; the first is named.
    """
    for block, difference, rounding in differences(encoder, model, batch, device):
        allowed = max(TOLERANCE, ROUNDING * rounding)
        if not difference <= allowed:
            raise BorderError(
                f"{block.name} of the emitted graph differs from torch by {difference:.2g} of its size, allowed "
                f"{allowed:.2g}; what comes before it is right"
            )


def differences(
    encoder: Encoder, model: onnx.ModelProto, batch: Batch, device: Device
) -> Iterator[tuple[Block, float, float]]:
    """The blocks in order, with the differences of the graph and of the module itself from double precision.

    Infinite where shapes differ or a value is not finite.
    """
    blocks = blocks_of(encoder)
    calls = _traced(encoder, blocks, batch)
    cutter = Cutter(model)
    before: Block | None = None
    for block in blocks:
        feeds = dict(batch) if before is None else {**batch, before.output: calls[before].result.numpy()}
        part = cutter.cut(before.output if before else None, block.output)
        engine = device.compile(part, CompileOptions(1, optimise=False))
        found = engine.run({name: feeds[name] for name in engine.inputs})
        exact = calls[block].exactly(block.module)
        yield block, relative_difference(found, exact), relative_difference(calls[block].result.numpy(), exact)
        before = block


@dataclass(frozen=True)
class _Call:
    """What a module was called with, and what came out."""

    arguments: tuple[Any, ...]
    named: dict[str, Any]
    result: torch.Tensor

    @torch.inference_mode()
    def exactly(self, module: torch.nn.Module) -> NDArray[np.float64]:
        """The result in double precision."""
        arguments = (_doubled(value) for value in self.arguments)
        result: torch.Tensor = copy.deepcopy(module).double()(*arguments, **self.named)
        exact: NDArray[np.float64] = result.numpy()
        return exact


def _doubled(value: Any) -> Any:
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


@torch.inference_mode()
def _traced(encoder: Encoder, blocks: tuple[Block, ...], batch: Batch) -> dict[Block, _Call]:
    """How the encoder calls every block."""
    calls: dict[Block, _Call] = {}

    def keep(block: Block) -> Any:
        return lambda module, arguments, named, result: calls.update({block: _Call(arguments, named, result)})

    hooks = [block.module.register_forward_hook(keep(block), with_kwargs=True) for block in blocks]
    try:
        encoder(*(torch.from_numpy(batch[name]) for name in encoder.inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return calls
