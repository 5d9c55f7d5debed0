"""Three implementations of one function: the torch module, the emitted graph and plain numpy without any shortcut."""

import numpy as np
import onnx
import pytest
import torch
from encoder.numpy_encoder import NumpyEncoder
from onnx import numpy_helper
from tiny_models import masked_batch, onnx_logits, random_encoder, scaled_units, tiny, torch_logits

from compressor.encoder import INPUTS, Encoder, additive_mask, drop_padding
from compressor.errors import BorderError
from compressor.records.architecture import Architecture

# float32 has 6e-8 per operation; sums of at most 64 terms of size 1, through at most four normalised layers.
TOLERANCE = 1e-5

SHAPES = {
    "whole": tiny((2, 32), (2, 32)),
    "one head": tiny((1, 32), (1, 16)),
    "more inner than hidden": tiny((5, 64), (3, 16)),
    "no feed-forward first": tiny((2, 0), (2, 32)),
    "no attention last": tiny((2, 32), (0, 32)),
    "no attention first": tiny((0, 32), (2, 32)),
    "two without attention last": tiny((2, 0), (0, 16), (0, 32)),
    "attention only": tiny((2, 0), (1, 0)),
    "feed-forward only": tiny((0, 32), (0, 16)),
    "no layers": tiny(),
    "relu": tiny((2, 32), (1, 16), activation="relu"),
    "odd sizes": tiny((3, 7), (1, 5), hidden=10, head_size=3, classes=2, vocabulary=11, token_types=1),
    "large epsilon": tiny((2, 32), norm_epsilon=0.1),
    "one output": tiny((2, 32), (1, 16), classes=1),
    "per token": tiny((2, 32), (1, 16), per_token=True),
    "per token, no attention last": tiny((2, 32), (0, 32), per_token=True),
    "per token, attention only": tiny((2, 0), (1, 0), per_token=True),
    "per token, no layers": tiny(per_token=True),
    "per token, one class": tiny((2, 32), (2, 16), classes=1, per_token=True),
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return random_encoder(request.param)


def test_torch_and_numpy_agree(encoder: Encoder) -> None:
    """Numpy computes every position of every layer, so this also proves that the first-token shortcut is exact."""
    batch = masked_batch(encoder.architecture)
    np.testing.assert_allclose(torch_logits(encoder, batch), NumpyEncoder(encoder).logits(batch), atol=TOLERANCE)


def test_graph_and_numpy_agree(encoder: Encoder) -> None:
    batch = masked_batch(encoder.architecture)
    expected = NumpyEncoder(encoder).logits(batch)
    np.testing.assert_allclose(onnx_logits(encoder.emit(), batch), expected, rtol=0, atol=TOLERANCE)
    assert abs(expected).max() > 0.1  # there is something to compare
    assert expected.std(axis=0).max() > 0.01  # and it depends on the input


def test_graph_and_torch_agree_after_the_runtimes_fusions(encoder: Encoder) -> None:
    batch = masked_batch(encoder.architecture)
    found = onnx_logits(encoder.emit(), batch, optimise=True)
    np.testing.assert_allclose(found, torch_logits(encoder, batch), rtol=0, atol=TOLERANCE)


def test_the_graph_is_valid_and_of_standard_operators(encoder: Encoder) -> None:
    model = encoder.emit()
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version == 10
    assert {node.domain for node in model.graph.node} == {""}
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert [value.name for value in model.graph.input] == list(INPUTS)
    assert [value.name for value in model.graph.output] == ["logits"]


@pytest.mark.parametrize("size", [(1, 1), (1, 12), (5, 12), (3, 4)])
def test_any_batch_and_any_length_up_to_the_table(size: tuple[int, int]) -> None:
    encoder = random_encoder(SHAPES["whole"])
    assert encoder.architecture.positions == 12
    batch = masked_batch(encoder.architecture, (size[1],) * size[0])
    found = onnx_logits(encoder.emit(), batch, optimise=True)
    np.testing.assert_allclose(found, torch_logits(encoder, batch), rtol=0, atol=TOLERANCE)


def test_an_input_longer_than_the_table_is_refused() -> None:
    encoder = random_encoder(SHAPES["whole"])
    batch = masked_batch(encoder.architecture, (13,))
    with pytest.raises(Exception, match=r"(?i)broadcast|dimension"):
        onnx_logits(encoder.emit(), batch)
    with pytest.raises(RuntimeError, match="size of tensor"):
        torch_logits(encoder, batch)


@pytest.mark.parametrize("emitted", [False, True], ids=["torch", "onnx"])
def test_padding_does_not_change_the_logits(encoder: Encoder, emitted: bool) -> None:
    batch = masked_batch(encoder.architecture, (4, 7))
    alone = {name: value[:1, :4] for name, value in batch.items()}
    rubbish = {**batch, "input_ids": batch["input_ids"].copy()}
    rubbish["input_ids"][0, 4:] = (rubbish["input_ids"][0, 4:] + 1) % encoder.architecture.vocabulary
    if emitted:
        model = encoder.emit()
        results = [onnx_logits(model, feeds)[0] for feeds in (batch, alone, rubbish)]
    else:
        results = [torch_logits(encoder, feeds)[0] for feeds in (batch, alone, rubbish)]
    if encoder.architecture.per_token:  # what a padded position answers is nobody's business
        assert [len(logits) for logits in results] == [7, 4, 7]
        results = [logits[:4] for logits in results]
    np.testing.assert_allclose(results[1], results[0], rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(results[2], results[0])


def test_without_mask_and_types_nothing_is_padding_and_all_types_are_zero() -> None:
    encoder = random_encoder(SHAPES["whole"])
    batch = masked_batch(encoder.architecture, (6, 6))
    batch["token_type_ids"][:] = 0
    with torch.inference_mode():
        bare = encoder(torch.from_numpy(batch["input_ids"])).numpy()
    np.testing.assert_allclose(bare, torch_logits(encoder, batch), rtol=0, atol=TOLERANCE)


def test_mask_and_types_are_read() -> None:
    encoder = random_encoder(SHAPES["whole"])
    batch = masked_batch(encoder.architecture, (6, 6))
    for name, change in (("attention_mask", [1, 1, 1, 0, 0, 0]), ("token_type_ids", [1, 0, 1, 0, 1, 0])):
        other = {**batch, name: np.array([change, change])}
        assert abs(torch_logits(encoder, other) - torch_logits(encoder, batch)).max() > 0.01
        assert abs(onnx_logits(encoder.emit(), other) - onnx_logits(encoder.emit(), batch)).max() > 0.01


def test_a_changed_weight_of_the_graph_is_noticed() -> None:
    """The mutation test of this file: each constant of the graph in turn, changed by a hundredth of its size."""
    encoder = random_encoder(SHAPES["whole"])
    batch = masked_batch(encoder.architecture, (12, 7, 12, 9))
    expected = torch_logits(encoder, batch)
    model = encoder.emit()
    floats = [i for i, t in enumerate(model.graph.initializer) if t.data_type == onnx.TensorProto.FLOAT and t.dims]
    assert len(floats) > 30
    unnoticed = []
    for index in floats:
        mutant = onnx.ModelProto()
        mutant.CopyFrom(model)
        tensor = mutant.graph.initializer[index]
        values = numpy_helper.to_array(tensor) * np.float32(1.01)
        mutant.graph.initializer[index].CopyFrom(numpy_helper.from_array(values, tensor.name))
        if abs(onnx_logits(mutant, batch) - expected).max() <= TOLERANCE:
            unnoticed.append(tensor.name)
    assert unnoticed == []


@pytest.mark.parametrize("part", ["word", "inner", "value", "norm", "classifier"])
def test_one_changed_number_is_noticed(part: str) -> None:
    encoder = random_encoder(SHAPES["whole"])
    batch = masked_batch(encoder.architecture)
    before = torch_logits(encoder, batch)
    model = encoder.emit()
    names = {
        "word": "word.weight",
        "inner": "layer0.feed_forward.inner.weight",
        "value": "layer0.attention.qkv.weight",
        "norm": "layer1.attention.norm.weight",
        "classifier": "logits.weight",
    }
    tensor = next(t for t in model.graph.initializer if t.name == names[part])
    values = numpy_helper.to_array(tensor).copy()
    values[(batch["input_ids"][0, 0] if part == "word" else 0, *[-1] * (values.ndim - 1))] += 0.01
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    assert abs(onnx_logits(model, batch) - before).max() > TOLERANCE


def test_running_from_a_layer_is_the_rest_of_the_forward_pass() -> None:
    encoder = random_encoder(SHAPES["no attention last"])
    batch = masked_batch(encoder.architecture)
    ids, mask, types = (torch.from_numpy(batch[name]) for name in INPUTS)
    with torch.inference_mode():
        additive = additive_mask(mask)
        x = encoder.run_layer(0, encoder.embeddings(ids, types), additive)
        assert x.shape == (4, 7, 16)
        first = encoder.run_layer(1, x, additive, first_token=True)
        torch.testing.assert_close(first, encoder.run_layer(1, x, additive)[:, :1])
        rest = encoder.from_layer(1, x, additive).numpy()
    np.testing.assert_allclose(rest, torch_logits(encoder, batch), rtol=0, atol=TOLERANCE)


def test_factors_on_units_are_factors_on_the_columns_that_read_them() -> None:
    encoder = random_encoder(SHAPES["whole"])
    batch = masked_batch(encoder.architecture)
    heads, neurons = torch.tensor([1.0, 0.5]), torch.linspace(0, 1, 32)
    whole = torch_logits(encoder, batch)
    with scaled_units(encoder, (torch.ones(2), torch.ones(32), None, None)):
        np.testing.assert_allclose(torch_logits(encoder, batch), whole, atol=TOLERANCE)
    with scaled_units(encoder, (heads, neurons, None, None)):
        kept = torch_logits(encoder, batch)
    with torch.no_grad():
        layer = encoder.layers[0]
        layer.attention.output.weight.mul_(heads.repeat_interleave(8))
        layer.feed_forward.output.weight.mul_(neurons)
    np.testing.assert_allclose(kept, torch_logits(encoder, batch), rtol=0, atol=TOLERANCE)


def rows_of_products(shape: Architecture) -> dict[str, int | str]:
    """Positions (1 or "length") of every product's result, by onnx's shape inference at batch 2, length 7."""
    model = random_encoder(shape).emit()
    for value in model.graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, (2, 7), strict=True):
            dimension.dim_value = size
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info
    products = {value.name: value for value in inferred if value.name.endswith(".product")}
    return {
        name.removesuffix(".product"): value.type.tensor_type.shape.dim[1].dim_value
        for name, value in products.items()
    }


def test_behind_the_last_attention_only_one_position_is_computed() -> None:
    assert rows_of_products(tiny((2, 16), (1, 16), (0, 16))) == {
        "layer0.attention.qkv": 7,
        "layer0.attention.output": 7,
        "layer0.feed_forward.inner": 7,
        "layer0.feed_forward.output": 7,
        "layer1.attention.q": 1,
        "layer1.attention.v": 1,  # per head
        "layer1.attention.output": 1,
        "layer1.feed_forward.inner": 1,
        "layer1.feed_forward.output": 1,
        "layer2.feed_forward.inner": 1,
        "layer2.feed_forward.output": 1,
    }
    assert set(rows_of_products(tiny((0, 16), (0, 16))).values()) == {1}


def test_a_per_token_model_computes_every_position_everywhere() -> None:
    rows = rows_of_products(tiny((2, 16), (1, 16), (0, 16), per_token=True))
    assert set(rows.values()) == {7}
    assert {"layer1.attention.qkv", "layer2.feed_forward.output"} <= set(rows)


def test_dropping_the_padding_keeps_the_real_tokens_row_after_row() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
    outputs = torch.arange(18.0).reshape(3, 3, 2)
    kept = drop_padding(outputs, mask)
    assert kept[:, 0].tolist() == [0.0, 2.0, 6.0, 12.0, 14.0, 16.0]
    pooled = torch.arange(6.0).reshape(3, 2)
    assert drop_padding(pooled, mask) is pooled


def test_emitting_twice_gives_the_same_file() -> None:
    encoder = random_encoder(SHAPES["whole"])
    assert encoder.emit().SerializeToString(deterministic=True) == encoder.emit().SerializeToString(deterministic=True)


def test_an_architecture_without_width_stops_at_the_border() -> None:
    with pytest.raises(BorderError, match=r"layer 0 .* has no width"):
        Encoder(tiny((0, 0)))
