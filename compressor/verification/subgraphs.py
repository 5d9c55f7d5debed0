"""Parts of a graph, to be run and compared by themselves."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compressor.errors import BorderError

Floats = NDArray[np.floating[Any]]

RANK = 3  # of the hidden states: [batch, length, width]


class Cutter:
    """Cuts parts out of a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._inputs = {value.name: value for value in model.graph.input}
        self._makers = {output: node for node in model.graph.node for output in node.output}

    def cut(self, read: str | None, output: str, *, ids: bool = False) -> bytes:
        """The part of the graph that leads from hidden states, or from the inputs, to another tensor.

        Args:
            read: Where it begins; None = at the inputs.
            output: Where it ends.
            ids: What is read are token ids or places, int64 of any shape, and no hidden states.

        Raises:
            BorderError: The graph has no such tensor.
        """
        nodes: dict[str, onnx.NodeProto] = {}
        names, waiting = {output}, [output]
        while waiting:
            name = waiting.pop()
            if name in self._constants or name in self._inputs or name in (read, ""):
                continue
            if name not in self._makers:
                raise BorderError(f"the emitted graph has no tensor {name!r}")
            node = self._makers[name]
            nodes[node.output[0]] = node
            waiting += [each for each in node.input if each not in names]
            names.update(node.input)
        declared = [value for name, value in self._inputs.items() if name in names]
        if read is not None and read in names and read not in {*self._inputs, *self._constants}:
            kind, rank = (TensorProto.INT64, None) if ids else (TensorProto.FLOAT, [None] * RANK)
            declared.append(helper.make_tensor_value_info(read, kind, rank))
        graph = helper.make_graph(
            [node for node in self._model.graph.node if node.output[0] in nodes],
            "block",
            declared,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [tensor for name, tensor in self._constants.items() if name in names],
        )
        model = helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        return bytes(model.SerializeToString())


def relative_difference(found: Floats, expected: Floats) -> float:
    """Root mean square of the difference over that of what was expected.

    Infinite where the shapes differ or a value is not finite.
    """
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    error, size = (float(np.sqrt(np.square(x, dtype=np.float64).mean())) for x in (found - expected, expected))
    return error / size if error else 0.0
