"""Mistakes of an emitter or a pass, planted one at a time, are found and named."""

import pytest
from tiny_models import masked_batch, random_encoder, tiny

from benchmarks.planted_faults import EMITTER, PASS, STATIC
from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.export.graphs import final_graph
from compressor.pipeline.blocks import check_blocks, differences
from compressor.precision import Range, quantise
from compressor.precision.int8_static import quantised_inputs
from compressor.precision.int8_weights import LEAST_ROWS, LEVELS, REDUCED_LEVELS
from compressor.records.architecture import Architecture, Precision
from compressor.runtimes import Device, open_device
from compressor.verification.quantised import check_int8

SHAPE = tiny((2, 32), (2, 32), (2, 32), vocabulary=LEAST_ROWS)
BATCH = masked_batch(SHAPE)


@pytest.fixture(scope="module")
def device() -> Device:
    return open_device("onnxruntime")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return random_encoder(SHAPE)


@pytest.mark.parametrize(
    "shape",
    [
        SHAPE,
        tiny((2, 0), (0, 16), (1, 24), (0, 8)),
        tiny((0, 16)),
        tiny((2, 32), token_types=0, head_activation="relu"),
        tiny((2, 32), (2, 0), embedding=8, head_activation="gelu", activation="relu"),
        tiny((2, 32), (1, 16), relative_buckets=8, token_types=0),
        tiny((2, 32), (1, 16), per_token=True),
    ],
    ids=["plain", "parts missing", "no attention", "no types", "narrow embeddings", "relative", "per token"],
)
def test_graphs_without_a_fault_pass(device: Device, shape: Architecture) -> None:
    for seed in range(3):
        encoder = random_encoder(shape, seed)
        batch = masked_batch(encoder.architecture, seed=seed)
        batch = {name: batch[name] for name in encoder.inputs}
        fp32 = final_graph(encoder, Precision.FP32)
        found = list(differences(encoder, fp32, batch, device))
        assert [block.output for block, _, _ in found][-1] == "logits"
        assert all(0 < max(both) < 1e-6 for _, *both in found)
        check_blocks(encoder, fp32, batch, device)
        check_int8(final_graph(encoder, Precision.INT8), fp32, device)


# Where a fault shows, if not in the feed-forward of the first layer.
PLACES = {
    "square matrix transposed": "the head",
    "weight and bias of a norm swapped": "the attention of layer 0",
    "bias left out": "the attention of layer 0",
    "wrong epsilon": "the embeddings",
    "positions off by one": "the embeddings",
    "token types ignored": "the embeddings",
    "vocabulary off by one": "the embeddings",
    "activation of the head left out": "the head",
    "labels swapped": "the head",
    "second token in the place of the first": "the attention of layer 2",
    "layer left out": "the attention of layer 1",
    **dict.fromkeys([name for name in EMITTER if name.startswith("mask")], "the attention of layer 0"),
    "query and key swapped": "the attention of layer 0",
    "query without its factor": "the attention of layer 0",
    "softmax over the wrong axis": "the attention of layer 0",
    "heads put together in the wrong order": "the attention of layer 0",
}


@pytest.mark.parametrize("name", EMITTER)
def test_a_fault_of_the_emitter_is_found_in_its_block(device: Device, encoder: Encoder, name: str) -> None:
    model = final_graph(encoder, Precision.FP32)
    EMITTER[name](model)
    place = PLACES.get(name, "the feed-forward of layer 0")
    with pytest.raises(BorderError, match=f"^{place} of the emitted graph differs from torch by"):
        check_blocks(encoder, model, BATCH, device)


@pytest.mark.parametrize("name", PASS)
def test_a_fault_of_the_pass_is_found(device: Device, encoder: Encoder, name: str) -> None:
    fp32, model = final_graph(encoder, Precision.FP32), final_graph(encoder, Precision.INT8)
    PASS[name](model)
    with pytest.raises(BorderError, match=r"layer0\.|word "):
        check_int8(model, fp32, device)


@pytest.mark.parametrize("name", STATIC)
def test_a_fault_of_the_pass_with_constant_ranges_is_found(device: Device, encoder: Encoder, name: str) -> None:
    fp32 = final_graph(encoder, Precision.FP32)
    places = enumerate(quantised_inputs(fp32))
    ranges = {activation: Range(-4.0 - 0.1 * place, 3.0 + 0.2 * place) for place, activation in places}
    model = quantise(encoder.emit(), Precision.INT8_STATIC, ranges).model
    check_int8(model, fp32, device, ranges=ranges)
    STATIC[name](model)
    with pytest.raises(BorderError, match=r"layer0\."):
        check_int8(model, fp32, device, ranges=ranges)


def test_weights_of_fewer_levels_are_checked_as_such(device: Device, encoder: Encoder) -> None:
    fp32 = final_graph(encoder, Precision.FP32)
    model = quantise(encoder.emit(), Precision.INT8, levels=REDUCED_LEVELS).model
    check_int8(model, fp32, device, levels=REDUCED_LEVELS)
    with pytest.raises(BorderError, match="differs from its formula"):
        check_int8(model, fp32, device, levels=LEVELS)
