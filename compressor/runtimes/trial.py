"""A runtime, tried: `python -m compressor.runtimes.trial NAME` runs a graph of one node and prints its version.

In a process of its own: a library that does not fit this machine may end the process that loads it, and loading one
takes seconds.
"""

from importlib import import_module

import numpy as np
from onnx import TensorProto, helper

from compressor.errors import UnavailableError
from compressor.records.latency import CompileOptions
from compressor.runtimes.fresh import run_worker

ADAPTERS = {"onnxruntime": "onnxruntime_cpu", "openvino": "openvino_cpu"}
OPSET, IR_VERSION = 17, 8  # that runtimes of some years read


def main(runtime: str) -> None:
    """Multiply a matrix by itself.

    Raises:
        UnavailableError: The runtime cannot load or run the graph, or gives another answer.
    """
    adapter = import_module(f"compressor.runtimes.{ADAPTERS[runtime]}")
    matrix = np.arange(16, dtype=np.float32).reshape(4, 4)
    found = adapter.compile_model(square(), CompileOptions(threads=1, runtime=runtime)).run({"x": matrix})
    if not np.allclose(found, matrix @ matrix):
        raise UnavailableError(f"{adapter.RUNTIME} multiplies wrongly: expected {matrix @ matrix}, got {found}")
    print(adapter.RUNTIME.removeprefix(f"{runtime} "))


def square() -> bytes:
    """The product of a matrix [4, 4] with itself, as ONNX."""
    matrices = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (4, 4)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "square", matrices[:1], matrices[1:])
    opset = helper.make_opsetid("", OPSET)
    model: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION).SerializeToString()
    return model


if __name__ == "__main__":
    run_worker(main)
