"""Did the runtime's optimiser recognise every operator of a model? A lost fusion is right, and slow."""

from collections import Counter
from collections.abc import Mapping

import onnx

from compressor.errors import BorderError
from compressor.runtimes.base import ACTIVATION, FLOAT_PRODUCT, INT8_PRODUCT, NORM, SOFTMAX

ROLE = {
    "MatMulInteger": INT8_PRODUCT,
    "MatMul": FLOAT_PRODUCT,
    "Gemm": FLOAT_PRODUCT,
    "LayerNormalization": NORM,
    "Gelu": ACTIVATION,
    "Softmax": SOFTMAX,
}


def expected_kernels(model: onnx.ModelProto) -> dict[str, int]:
    """Kernels of each role that a runtime should need for a portable model of ours."""
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    counts: Counter[str] = Counter()
    for node in model.graph.node:
        static = node.op_type == "MatMul" and rounded.issuperset(node.input)
        role = INT8_PRODUCT if static else ROLE.get(node.op_type)
        if role:
            counts[role] += 1
    return dict(counts)


def check_kernels(model: onnx.ModelProto, found: Mapping[str, int]) -> None:
    """Compare with what an engine of that model runs, as far as its runtime tells.

    Raises:
        BorderError: There are more or fewer of a role.
    """
    expected = expected_kernels(model)
    wrong = [
        f"{count} of {expected.get(role, 0)} {role}s"
        for role, count in found.items()
        if count != expected.get(role, 0)
    ]
    if wrong:
        raise BorderError(
            f"the runtime's optimiser did not recognise the graph: the engine has {', '.join(wrong)} as kernels of "
            "their own; another version of the runtime may fuse them, and --precision fp32 needs fewer fusions"
        )
