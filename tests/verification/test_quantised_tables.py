"""Tables in int8 are checked row by row, however a graph comes by the ids that it reads them with."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compressor.errors import BorderError
from compressor.precision import apply_precision
from compressor.precision.int8_weights import LEAST_ROWS
from compressor.records.architecture import Precision
from compressor.runtimes.local import LocalDevice
from compressor.verification import quantised
from compressor.verification.quantised import check_int8

ROWS, WIDTH = LEAST_ROWS + 5, 4
SHIFTED = [helper.make_node("Add", ["input_ids", "one"], ["ids"], name="ids")]
CASES = {
    "the input's": ("input_ids", []),
    "computed": ("ids", SHIFTED),
    "of another rank": ("flat", [*SHIFTED, helper.make_node("Reshape", ["ids", "minus"], ["flat"], name="flat")]),
    "constant": ("constant", []),
}


def graph_of(read: str, before: list[onnx.NodeProto]) -> onnx.ModelProto:
    """A look-up in a large table, with random rows."""
    table = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    constants = {
        "table": table,
        "one": np.array(1, dtype=np.int64),
        "minus": np.array([-1], dtype=np.int64),
        "constant": np.array([[3, 1, 4]], dtype=np.int64),
    }
    look_up = helper.make_node("Gather", ["table", read], ["found"], name="found")
    last = helper.make_node("Neg", ["found"], ["logits"], name="logits")
    nodes = [*before, look_up, last]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "tables",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("read", "before"), CASES.values(), ids=CASES)
def test_every_row_is_compared(read: str, before: list[onnx.NodeProto], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "ROWS_AT_ONCE", 100)
    fp32 = graph_of(read, before)
    model = apply_precision(graph_of(read, before), Precision.INT8)
    check_int8(model, fp32, LocalDevice())
    for tensor in model.graph.initializer:
        if tensor.name.endswith("int8_rows"):
            values = numpy_helper.to_array(tensor).copy()
            values[4] += 3
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(BorderError, match="int8 table found differs from its formula"):
        check_int8(model, fp32, LocalDevice())
