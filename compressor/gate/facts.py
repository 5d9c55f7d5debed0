"""What a bundle is, without a clock: operations, nodes, bytes. The same on any machine."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from compressor.errors import InputError
from compressor.export import MODEL, tokenizer_bytes
from compressor.gate.measuring import Side
from compressor.records.gate import EngineFacts
from compressor.runtimes.shapes import inferred_shapes

# Kind of product -> type of its operands.
PRODUCTS = {"MatMul": "fp32", "Gemm": "fp32", "MatMulInteger": "int8"}


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
        raise InputError(f"{folder / MODEL} has no matrix products that could be compared; export the bundle again")
    return EngineFacts(
        engine_digest=manifest.files[manifest.engine],
        architecture=None if architecture is None else architecture.in_words,
        precision=str(manifest.precision),
        workload=manifest.workload,
        operations=operations,
        nodes=dict(sorted(Counter(node.op_type for node in _read(engine).graph.node).items())),
        bytes=engine.stat().st_size + tokenizer_bytes(folder),
    )


def product_operations(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Multiplications and additions of all matrix products, by the type of their operands.

    A product [..., M, K] x [..., K, N] takes 2 x size of the result x K.

    Args:
        model: In standard operators.
        shapes: Of its inputs.

    Raises:
        InputError: A shape cannot be inferred.
    """
    sizes = inferred_shapes(model, shapes)
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    total: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type not in PRODUCTS:
            continue
        kind = "int8" if rounded.issuperset(node.input) else PRODUCTS[node.op_type]
        missing = [name for name in (node.input[0], node.output[0]) if name not in sizes]
        if missing:
            raise InputError(f"the shape of {missing[0]} cannot be inferred; export the bundle again")
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        inner = sizes[node.input[0]][-2 if transposed else -1]
        total[kind] += 2 * math.prod(sizes[node.output[0]]) * inner
    return dict(sorted(total.items()))


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own exceptions, and what onnx makes of a missing file
        raise InputError(f"{path} is no ONNX graph that can be read: {error}; export the bundle again") from error
