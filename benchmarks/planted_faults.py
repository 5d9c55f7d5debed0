"""Faults of an exporter, planted one at a time: each must be found by the checks that every export runs.

A fault changes a correct graph in place, as a mistake in an emitter or a pass would have made it.
"""

import re
from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Model = onnx.ModelProto
Fault = Callable[[Model], None]
Array = NDArray[np.generic]


def _tensor(model: Model, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _constant(model: Model, name: str) -> Array:
    return numpy_helper.to_array(_tensor(model, name))


def _change(model: Model, name: str, by: Callable[[Array], Array]) -> None:
    """Replace a constant by a function of it."""
    value = _constant(model, name)
    changed = np.ascontiguousarray(by(value.copy())).astype(value.dtype)
    _tensor(model, name).CopyFrom(numpy_helper.from_array(changed, name))


def _node(model: Model, output: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if output in node.output)


def _swapped(model: Model, one: str, other: str) -> None:
    first, second = _constant(model, one), _constant(model, other)
    _change(model, one, lambda _: second)
    _change(model, other, lambda _: first)


def _read(model: Model, output: str, place: int, name: str) -> None:
    """Let a node read another tensor."""
    _node(model, output).input[place] = name


def _attribute(model: Model, output: str, **values: object) -> None:
    node = _node(model, output)
    kept = [attribute for attribute in node.attribute if attribute.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in values.items())])


def _passed_through(model: Model, output: str) -> None:
    """A node that does nothing."""
    node = _node(model, output)
    del node.attribute[:], node.input[1:]
    node.op_type = "Identity"


def _one_negated(array: Array) -> Array:
    array.flat[array.size // 2] *= -1
    return array


def _column_doubled(array: Array) -> Array:
    array[..., 1] *= 2
    return array


def _row_doubled(array: Array) -> Array:
    array[1] *= 2
    return array


def _wrapped_around(array: Array) -> Array:
    """One column in which 127 + 1 became -128."""
    column = array[:, 1]
    column[np.abs(column) == 127] *= -1
    return array


def _query_and_key_swapped(model: Model) -> None:
    outputs = _node(model, "layer0.attention.q").output
    outputs[0], outputs[1] = outputs[1], outputs[0]


def _query_without_factor(array: Array) -> Array:
    array[:, : array.shape[1] // 3] *= 2
    return array


def _second_token(model: Model) -> None:
    """The last attention answers for the token behind the first."""
    bounds = [
        t.name for t in model.graph.initializer if re.fullmatch(r"layer\d+\.attention\.first\.(start|end)", t.name)
    ]
    for name in bounds:
        _change(model, name, lambda bound: bound + 1)


def _every_epsilon(model: Model) -> None:
    for node in model.graph.node:
        if node.op_type == "LayerNormalization":
            _attribute(model, node.output[0], epsilon=1e-5)


def _layer_left_out(model: Model) -> None:
    """The second layer reads what the first one read."""
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == "layer0.feed_forward.norm":
                node.input[place] = "embeddings.norm"


INNER, OUTPUT = "layer0.feed_forward.inner", "layer0.feed_forward.output"
SECOND = "layer1.feed_forward.inner"

# In the fp32 graph of an encoder of two layers or more, with token types and a head on the first token.
EMITTER: dict[str, Fault] = {
    "weights of two layers swapped": lambda m: _swapped(m, f"{INNER}.weight", f"{SECOND}.weight"),
    "biases of two layers swapped": lambda m: _swapped(m, f"{OUTPUT}.bias", "layer1.feed_forward.output.bias"),
    "square matrix transposed": lambda m: _change(m, "pooler.weight", lambda w: w.T),
    "one weight with the wrong sign": lambda m: _change(m, f"{INNER}.weight", _one_negated),
    "weights rounded to half precision": lambda m: _change(m, f"{OUTPUT}.weight", lambda w: w.astype(np.float16)),
    "bias left out": lambda m: _change(m, "layer0.attention.qkv.bias", np.zeros_like),
    "weight and bias of a norm swapped": lambda m: _swapped(
        m, "layer0.attention.norm.weight", "layer0.attention.norm.bias"
    ),
    "wrong epsilon": _every_epsilon,
    "mask left out": lambda m: _passed_through(m, "layer0.attention.masked"),
    "mask the wrong way round": lambda m: _read(m, "mask.scaled", 0, "mask.float"),
    "mask too weak": lambda m: _change(m, "masked", lambda value: value / 1e4),
    "positions off by one": lambda m: _change(m, "position.weight", lambda w: np.roll(w, 1, axis=0)),
    "token types ignored": lambda m: _passed_through(m, "word_type"),
    "vocabulary off by one": lambda m: _change(m, "word.weight", lambda w: np.roll(w, 1, axis=0)),
    "query and key swapped": _query_and_key_swapped,
    "query without its factor": lambda m: _change(m, "layer0.attention.qkv.weight", _query_without_factor),
    "softmax over the wrong axis": lambda m: _attribute(m, "layer0.attention.weights", axis=2),
    "heads put together in the wrong order": lambda m: _attribute(
        m, "layer0.attention.context.ordered", perm=[0, 2, 3, 1]
    ),
    "residual left out": lambda m: _passed_through(m, "layer0.feed_forward.residual"),
    "residual of another place": lambda m: _read(m, "layer0.feed_forward.residual", 1, "embeddings.norm"),
    "approximate activation": lambda m: _attribute(m, "layer0.feed_forward.active", approximate="tanh"),
    "activation left out": lambda m: _passed_through(m, "layer0.feed_forward.active"),
    "another activation": lambda m: setattr(_node(m, "layer0.feed_forward.active"), "op_type", "Relu"),
    "layer left out": _layer_left_out,
    "second token in the place of the first": _second_token,
    "activation of the head left out": lambda m: _passed_through(m, "pooled"),
    "labels swapped": lambda m: _change(m, "logits.weight", lambda w: w[::-1]),
}
# In its int8 graph, of a vocabulary that is large enough to be quantised.
PASS: dict[str, Fault] = {
    "wrong scale of one column": lambda m: _change(m, f"{INNER}.weight.int8_scale", _column_doubled),
    "scales of two layers swapped": lambda m: _swapped(m, f"{INNER}.weight.int8_scale", f"{SECOND}.weight.int8_scale"),
    "int8 weights of two layers swapped": lambda m: _swapped(m, f"{INNER}.weight.int8", f"{SECOND}.weight.int8"),
    "overflow in one column": lambda m: _change(m, f"{INNER}.weight.int8", _wrapped_around),
    "wrong scale of one row": lambda m: _change(m, "word.weight.int8_rows_scale", _row_doubled),
    "rows of the table off by one": lambda m: _change(m, "word.weight.int8_rows", lambda w: np.roll(w, 1, axis=0)),
    "table scaled with another id": lambda m: _read(m, "word.step", 1, "token_type_ids"),
    "zero point left out": lambda m: _node(m, f"{INNER}.product.integer").input.pop(),
    "scale of another activation": lambda m: _read(m, f"{INNER}.product.step", 0, "embeddings.norm.scale"),
    "another activation quantised": lambda m: _read(m, f"{INNER}.product.integer", 0, "embeddings.norm.quantised"),
    "not scaled back": lambda m: _passed_through(m, f"{INNER}.product"),
    "bias rounded to half precision": lambda m: _change(m, f"{OUTPUT}.bias", lambda b: b.astype(np.float16)),
    "node lost its attribute": lambda m: _node(m, "layer0.attention.norm").ClearField("attribute"),
}
# In its graph with constant ranges.
STATIC: dict[str, Fault] = {
    "a range that is ten times as wide": lambda m: _change(m, "layer0.attention.norm.scale", lambda s: s * 10),
    "zero of an activation off": lambda m: _change(m, "layer0.attention.norm.zero_point", lambda z: z ^ 16),
    "weights' wrong scale of one column": lambda m: _change(m, f"{INNER}.weight.int8_scale", _column_doubled),
    "weights of two layers swapped, rounded": lambda m: _swapped(m, f"{INNER}.weight.int8", f"{SECOND}.weight.int8"),
    "another activation rounded": lambda m: _read(m, f"{INNER}.product", 0, "embeddings.norm.rounded"),
    "weights along the other axis": lambda m: _attribute(m, f"{INNER}.weight.rounded", axis=0),
}
