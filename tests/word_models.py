"""Graphs that answer per token or with a number, made by hand: each answer is known from the token ids alone.

    per token   logits[b, t] = table[ids[b, t]]
    a number    score[b] = sum over t of mask[b, t] table[ids[b, t], 0]

The table is the whole model.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def token_model(table: NDArray[np.float32]) -> onnx.ModelProto:
    """A model with the rows of `table` [vocabulary, classes] as logits [batch, length, classes]."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["logits"])]
    return _model(nodes, {"table": table}, ["batch", "length", table.shape[1]])


def score_model(table: NDArray[np.float32]) -> onnx.ModelProto:
    """A model that adds up the values in `table` [vocabulary, 1] of its real tokens to a score [batch, 1]."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["values"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["values", "column"], ["real"]),
        helper.make_node("ReduceSum", ["real", "middle"], ["logits"], keepdims=0),
    ]
    constants = {"table": table, "last": np.array([-1]), "middle": np.array([1])}
    return _model(nodes, constants, ["batch", 1])


def _model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], output: list[str | int]) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "by hand",
        inputs,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
