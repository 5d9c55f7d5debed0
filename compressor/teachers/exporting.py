"""A torch module that is not ours to a clean ONNX graph, by way of `torch.export` (torch.onnx.export, opset 20).

The exporter's graph is cleaned of three things. Its notes hold lines of source code of the machine that exported. Its
inferred shapes are stale once a precision pass has changed the graph. And it leaves big weights as x @ Transpose(W),
where the passes look for x @ W: such transposes are folded into the weights, one copy for all that read it.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO

import numpy as np
import onnx
import torch
from onnx import AttributeProto, helper, numpy_helper
from torch import nn
from torch.export import Dim

from compressor.encoder.graph import OPSET
from compressor.errors import InputError, UnavailableError

EXAMPLE_LENGTH = 8


def export_graph(module: nn.Module, inputs: tuple[str, ...], *, max_length: int) -> onnx.ModelProto:
    """The graph of a module that takes int64 [batch, length] each and answers logits [batch, classes], in float32.

    Args:
        module: In evaluation mode; its `forward` takes `*inputs`.
        inputs: Their names.
        max_length: The longest input.

    Raises:
        InputError: The exporter cannot follow the module, or only at a fixed length.
        UnavailableError: The exporter's library is not installed.
    """
    if find_spec("onnxscript") is None:
        raise UnavailableError("exporting this model needs onnxscript: pip install 'compressor[compress]'")
    # A tensor of its own for each: inputs that are one object are traced as one. And a row with padding: a mask of
    # ones only may be traced as no mask at all.
    example = {name: torch.zeros(2, min(EXAMPLE_LENGTH, max_length), dtype=torch.int64) for name in inputs}
    example["attention_mask"][:] = 1
    example["attention_mask"][1, -1] = 0
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(example.values()),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=(tuple({0: Dim("batch"), 1: Dim("length", max=max_length)} for _ in inputs),),
                input_names=list(inputs),
                output_names=["logits"],
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter passes on whatever it meets
        raise InputError(f"PyTorch cannot export it to ONNX ({first_line(error.__cause__ or error)})") from error
    if program is None:
        raise InputError("PyTorch exported no graph")
    graph: onnx.ModelProto = program.model_proto
    _check_free(graph)
    return cleaned(graph)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what libraries print, log and warn of on the way; errors are raised all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def first_line(error: BaseException) -> str:
    """Type and first line of what a library raised; what follows is advice to its developers."""
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')[:200]}"


def _check_free(model: onnx.ModelProto) -> None:
    if any(attribute.type == AttributeProto.GRAPH for node in model.graph.node for attribute in node.attribute):
        raise InputError("PyTorch can export it to ONNX only with branches or loops, which no precision pass knows")
    for value in model.graph.input:
        fixed = [axis.dim_value for axis in value.type.tensor_type.shape.dim if not axis.dim_param]
        if fixed:
            raise InputError(f"PyTorch can export it to ONNX only with {value.name} of a fixed size, {fixed[0]}")


def cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without notes and inferred shapes, every Transpose of a constant folded into the constant."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    folded: dict[str, onnx.TensorProto] = {}
    renamed: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        constant = constants.get(node.input[0]) if node.op_type == "Transpose" else None
        if constant is None:
            nodes.append(_without_notes(node, renamed))
            continue
        order = next((tuple(a.ints) for a in node.attribute), tuple(reversed(range(len(constant.dims)))))
        name = f"{constant.name}.transposed.{'.'.join(map(str, order))}"
        if name not in folded:
            values = np.ascontiguousarray(numpy_helper.to_array(constant).transpose(order))
            folded[name] = numpy_helper.from_array(values, name)
        renamed[node.output[0]] = name
    read = {name for node in nodes for name in node.input}
    kept = [tensor for name, tensor in {**constants, **folded}.items() if name in read]
    graph = helper.make_graph(nodes, model.graph.name, model.graph.input, model.graph.output, kept)
    return helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version, producer_name=model.producer_name
    )


def _without_notes(node: onnx.NodeProto, renamed: dict[str, str]) -> onnx.NodeProto:
    inputs = [renamed.get(name, name) for name in node.input]
    plain = helper.make_node(node.op_type, inputs, list(node.output), name=node.name, domain=node.domain)
    plain.attribute.extend(node.attribute)
    return plain
