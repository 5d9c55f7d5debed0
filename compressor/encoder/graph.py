"""Building an ONNX graph node by node: the one way in which the project emits a model.

Only standard operators of opset 20, and an explicit IR version: `onnx.helper` would otherwise write the newest ones,
which the runtimes in the field refuse.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

OPSET = 20
IR_VERSION = 10

Array = NDArray[np.generic]


class GraphBuilder:
    """Collects nodes and constants under readable, unique names.

    Everything is written into one model in place: onnx's own helpers would copy every weight three times.
    """

    def __init__(self) -> None:
        self._model = helper.make_model(
            onnx.GraphProto(),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="compressor",
        )
        self._count: dict[str, int] = {}

    def _unique(self, name: str) -> str:
        number = self._count.get(name, 0)
        self._count[name] = number + 1
        return f"{name}_{number}" if number else name

    def input(self, name: str, element: int, shape: list[str | int | None]) -> str:
        """Declare a graph input; a string in the shape is a free dimension, None one of which nothing is known."""
        self._model.graph.input.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def output(self, name: str, element: int, shape: list[str | int]) -> None:
        """Declare an existing tensor as graph output."""
        self._model.graph.output.append(helper.make_tensor_value_info(name, element, shape))

    def constant(self, value: Array | list[int] | float, name: str) -> str:
        """Add a constant; lists of int become int64, a float becomes a float32 scalar."""
        if isinstance(value, list):
            value = np.array(value, dtype=np.int64)
        elif isinstance(value, float):
            value = np.array(value, dtype=np.float32)
        unique = self._unique(name)
        tensor = self._model.graph.initializer.add(name=unique, dims=value.shape)
        tensor.data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
        tensor.raw_data = value.tobytes()  # in C order, which also transposes a view that is not
        return unique

    def scalar(self, value: int, name: str) -> str:
        """Add an int64 scalar."""
        return self.constant(np.array(value, dtype=np.int64), name)

    def node(self, operator: str, inputs: list[str], name: str, **attributes: object) -> str:
        """Add a node with one output; returns that output's name."""
        return self.nodes(operator, inputs, [name], **attributes)[0]

    def nodes(self, operator: str, inputs: list[str], names: list[str], **attributes: Any) -> list[str]:
        """Add a node with several outputs; returns their names."""
        unique = [self._unique(name) for name in names]
        self._model.graph.node.append(helper.make_node(operator, inputs, unique, name=unique[0], **attributes))
        return unique

    def linear(self, x: str, weight: Array, bias: Array, name: str) -> str:
        """`x @ weight + bias`, weight of shape [in, out]."""
        product = self.node("MatMul", [x, self.constant(weight, f"{name}.weight")], f"{name}.product")
        return self.node("Add", [product, self.constant(bias, f"{name}.bias")], name)

    def product(self, x: str, weight: Array, name: str) -> str:
        """`x @ weight`, weight of shape [in, out]: what the precision passes look for."""
        return self.node("MatMul", [x, self.constant(weight, f"{name}.weight")], name)

    def layer_norm(self, x: str, weight: Array, bias: Array, epsilon: float, name: str) -> str:
        """LayerNorm over the last axis."""
        parameters = [self.constant(weight, f"{name}.weight"), self.constant(bias, f"{name}.bias")]
        return self.node("LayerNormalization", [x, *parameters], name, axis=-1, epsilon=epsilon)

    def first_token(self, x: str, name: str) -> str:
        """`x[:, :1]` of a tensor [batch, length, width]."""
        bounds = [self.constant([value], f"{name}.{part}") for part, value in (("start", 0), ("end", 1), ("axis", 1))]
        return self.node("Slice", [x, *bounds], name)

    def build(self, name: str) -> onnx.ModelProto:
        """The finished model; the builder is spent."""
        self._model.graph.name = name
        return self._model


FLOAT = int(TensorProto.FLOAT)
INT64 = int(TensorProto.INT64)
