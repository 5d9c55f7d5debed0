"""What a bundle is, without a clock: operations, precision, nodes, bytes. The same on any machine."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx

from compressor.errors import InputError
from compressor.export import MODEL, tokenizer_bytes
from compressor.gate.measuring import Side
from compressor.records.architecture import Architecture
from compressor.records.gate import EngineFacts
from compressor.records.serial import digest
from compressor.runtimes.shapes import inferred_shapes

INTEGER = {"MatMulInteger"}  # products whose operands are int8 by their kind
SUB_LAYER = re.compile(r"layer\d+\.(attention|feed_forward)\b")
Size = Callable[[str], tuple[int, ...]]


def engine_facts(side: Side) -> EngineFacts:
    """Facts of a bundle.

    Raises:
        InputError: A graph cannot be read, or its shapes cannot be inferred.
    """
    folder, manifest = side.folder, side.manifest
    shape = (manifest.workload.batch, manifest.workload.sequence_length)
    model, engine = _read(folder / MODEL), folder / manifest.engine
    architecture = manifest.architecture
    operations = product_operations(model, {value.name: shape for value in model.graph.input})
    if not operations:
        raise InputError(f"{folder / MODEL} has no products that could be compared; export the bundle again")
    return EngineFacts(
        engine_digest=manifest.files[manifest.engine],
        architecture=None if architecture is None else _identity(architecture),
        precision=str(manifest.precision),
        workload=manifest.workload,
        operations=operations,
        nodes=dict(sorted(Counter(node.op_type for node in _read(engine).graph.node).items())),
        bytes=engine.stat().st_size + tokenizer_bytes(folder),
        runtime=manifest.options.runtime,
        kept=manifest.kept,
        int8_blocks=int8_blocks(model),
        task=manifest.task,
        teacher_digest=manifest.teacher_digest,
        data_digest=manifest.data_digest,
        max_accuracy_drop_points=manifest.budget.max_accuracy_drop_points,
    )


def _identity(architecture: Architecture) -> str:
    """In words, with a digest for all that these leave out: equal for equal shapes alone."""
    return f"{architecture.in_words} [{digest(architecture)}]"


def product_operations(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Multiplications and additions of all products, by the type of their operands.

    [..., M, K] x [..., K, N]                 2 x size of the result x K
    convolution, C channels in per group      2 x size of the result x C x size of the kernel
    LSTM                                      2 x steps x rows x size of the weights, those of the recurrence too

    Args:
        model: In standard operators.
        shapes: Of its inputs.

    Raises:
        InputError: A shape cannot be inferred.
    """
    sizes, rounded = inferred_shapes(model, shapes), _rounded(model)

    def size(name: str) -> tuple[int, ...]:
        if name not in sizes:
            raise InputError(f"the shape of {name} cannot be inferred; export the bundle again")
        return sizes[name]

    total: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type in MULTIPLICATIONS:
            total[_operands(node, rounded)] += 2 * MULTIPLICATIONS[node.op_type](node, size)
    return dict(sorted(total.items()))


def _of_matrices(node: onnx.NodeProto, size: Size) -> int:
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return size(node.input[0])[-2 if transposed else -1] * math.prod(size(node.output[0]))


def _of_convolution(node: onnx.NodeProto, size: Size) -> int:
    _, *of_one_result = size(node.input[1])
    return math.prod(of_one_result) * math.prod(size(node.output[0]))


def _of_recurrence(node: onnx.NodeProto, size: Size) -> int:
    steps, rows, _ = size(node.input[0])
    return steps * rows * sum(math.prod(size(name)) for name in node.input[1:3])


# Operator -> the multiplications of a node; as many additions belong to them.
MULTIPLICATIONS: dict[str, Callable[[onnx.NodeProto, Size], int]] = {
    "MatMul": _of_matrices,
    "Gemm": _of_matrices,
    "MatMulInteger": _of_matrices,
    "Conv": _of_convolution,
    "LSTM": _of_recurrence,
}


def int8_blocks(model: onnx.ModelProto) -> dict[str, float]:
    """Share of the products with a constant that are in int8, in [0, 1], of each sub-layer, in the order of the graph.

    A product outside of the layers, or in a model whose products have other names, is a block of its own.
    """
    rounded = _rounded(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {output for output, source in rounded.items() if source in constants}
    blocks: dict[str, list[bool]] = {}
    for node in model.graph.node:
        if node.op_type in MULTIPLICATIONS and node.input[1] in constants:
            name = node.output[0].removesuffix(".integer")
            sub_layer = SUB_LAYER.match(name)
            block = name if sub_layer is None else sub_layer[0]
            blocks.setdefault(block, []).append(_operands(node, rounded) == "int8")
    return {block: sum(found) / len(found) for block, found in blocks.items()}


def _rounded(model: onnx.ModelProto) -> dict[str, str]:
    """What comes out of int8 by constants -> what goes in."""
    return {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}


def _operands(node: onnx.NodeProto, rounded: Mapping[str, str]) -> str:
    """Type of a product's operands."""
    return "int8" if node.op_type in INTEGER or set(node.input) <= rounded.keys() else "fp32"


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own exceptions, and what onnx makes of a missing file
        raise InputError(f"{path} is no ONNX graph that can be read: {error}; export the bundle again") from error
