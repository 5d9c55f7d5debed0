"""Bidirectional LSTM, half of the width per direction: what Distilled BiLSTM (Tang et al. 2019) compresses BERT into.

Every row is read to its own end, also backwards. In float32 in every precision: its products are inside one operator
of the runtime, step by step, and the standard has no quantised one.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from compressor.encoder.arrays import array
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.errors import InputError
from compressor.records.architecture import Architecture

# Torch keeps the gates as input, forget, cell, output; ONNX as input, output, forget, cell.
GATES = (0, 3, 1, 2)


class BidirectionalLstm(Block):
    """Hidden states of both directions side by side.

    Raises:
        InputError: The width is odd.
    """

    source = "Hochreiter and Schmidhuber 1997; as a student of BERT: Tang et al. 2019, arXiv 1903.12136"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        if self.width % 2:
            raise InputError(f"a bidirectional LSTM needs an even width, half for each direction; got {self.width}")
        self.cell = nn.LSTM(self.width, self.width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        packed = pack_padded_sequence(x, masks.lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.cell(packed)[0], batch_first=True, total_length=x.shape[1])
        return states

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        steps = graph.node("Transpose", [x], f"{name}.steps", perm=[1, 0, 2])
        constants = [graph.constant(array(self._both(part)), f"{name}.{part}") for part in ("weight_ih", "weight_hh")]
        bias = torch.cat([self._both("bias_ih"), self._both("bias_hh")], dim=1)
        inputs = [steps, *constants, graph.constant(array(bias), f"{name}.bias"), masks.lengths]
        states = graph.node("LSTM", inputs, f"{name}.states", direction="bidirectional", hidden_size=self.width // 2)
        rows = graph.node("Transpose", [states], f"{name}.rows", perm=[2, 0, 1, 3])  # from [length, 2, batch, half]
        return graph.node("Reshape", [rows, graph.constant([0, 0, self.width], f"{name}.width")], name)

    def _both(self, part: str) -> Tensor:
        """A parameter of both directions, [2, 4 * half, ...], its gates in the order of ONNX."""
        found = []
        for direction in ("", "_reverse"):
            gates = getattr(self.cell, f"{part}_l0{direction}").chunk(4)
            found.append(torch.cat([gates[gate] for gate in GATES]))
        return torch.stack(found)
