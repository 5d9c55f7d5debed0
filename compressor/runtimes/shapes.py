"""Shapes of the tensors of a graph at given shapes of its inputs."""

from collections.abc import Mapping, Sequence

import onnx


def inferred_shapes(model: onnx.ModelProto, inputs: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Of all tensors whose every dimension can be known, constants included.

    Args:
        model: In standard operators.
        inputs: Shape of every input, by its name.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, inputs[value.name], strict=True):
            dimension.dim_value = size
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    found = {value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim) for value in values}
    found |= {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    return {name: sizes for name, sizes in found.items() if all(sizes)}
