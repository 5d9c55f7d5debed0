"""Students of cells: the graph is the module's, padding changes nothing, wrong stacks are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from tiny_models import masked_batch, random_encoder, tiny, torch_logits

from compressor.encoder import AGGREGATIONS, Encoder
from compressor.errors import BorderError, InputError
from compressor.pipeline.blocks import blocks_of, check_blocks
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision, check_architecture
from compressor.records.cells import Cells, Edge, check_cells, read_nodes
from compressor.records.latency import CompileOptions
from compressor.records.serial import from_json, to_json
from compressor.runtimes.local import LocalDevice
from compressor.space.cells import CANDIDATES, cell_space, random_cells
from compressor.verification.quantised import check_int8

NODES = (
    (Edge(0, "conv-3"), Edge(0, "identity")),
    (Edge(1, "attention-4"), Edge(0, "lstm")),
    (Edge(2, "sepconv-5"), Edge(1, "identity"), Edge(2, "identity")),
)
TEACHER = tiny((2, 32), hidden=24, head_size=8)
SPACE = cell_space(TEACHER, 16)
SHAPE = replace(SPACE, cells=Cells(NODES, 2, "max-pooling"))
PER_TOKEN = replace(SPACE, per_token=True, cells=Cells(NODES, 2, None))


def answers(model: bytes, shape: Architecture) -> np.ndarray:
    engine, batch = LocalDevice().compile(model, CompileOptions(1)), masked_batch(shape)
    found: np.ndarray = engine.run({name: batch[name] for name in engine.inputs})
    return found


@pytest.mark.parametrize("shape", [SHAPE, PER_TOKEN, replace(SHAPE, token_types=0)], ids=["one", "each", "no types"])
def test_the_graph_computes_what_torch_does(shape: Architecture) -> None:
    encoder = random_encoder(shape)
    expected = torch_logits(encoder, masked_batch(shape))
    found = answers(encoder.emit().SerializeToString(), shape)
    assert found.shape == expected.shape
    real = masked_batch(shape)["attention_mask"].astype(bool) if shape.per_token else slice(None)
    np.testing.assert_allclose(found[real], expected[real], rtol=0, atol=1e-5)


def test_every_cell_is_checked_against_torch() -> None:
    encoder, batch = random_encoder(SHAPE), masked_batch(SHAPE)
    names = [block.name for block in blocks_of(encoder)]
    assert names == ["the embeddings", "cell 0", "cell 1", "the aggregation", "the head"]
    check_blocks(encoder, encoder.emit(), batch, LocalDevice())
    wrong = encoder.emit()
    tensor = next(t for t in wrong.graph.initializer if t.name == "cell1.1.0.conv-3.filters.weight")
    tensor.raw_data = tensor.raw_data[4:] + tensor.raw_data[:4]
    with pytest.raises(BorderError, match="cell 1 of the emitted graph differs"):
        check_blocks(encoder, wrong, batch, LocalDevice())


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_every_aggregation_is_checked_against_torch(aggregation: str) -> None:
    encoder = random_encoder(replace(SHAPE, cells=Cells(NODES, 1, aggregation)))
    check_blocks(encoder, encoder.emit(), masked_batch(SHAPE), LocalDevice())


def test_int8_is_nearly_the_model() -> None:
    encoder = random_encoder(SHAPE)
    expected = torch_logits(encoder, masked_batch(SHAPE))
    found = answers(apply_precision(encoder.emit(), Precision.INT8).SerializeToString(), SHAPE)
    assert 0 < np.abs(found - expected).max() < 0.25 * np.abs(expected).max()


@pytest.mark.parametrize("aggregation", [name for name in AGGREGATIONS if name != "first-token"])
@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_STATIC])
def test_every_int8_product_is_checked_against_its_formula(precision: Precision, aggregation: str) -> None:
    encoder = random_encoder(replace(SHAPE, cells=Cells(NODES, 1, aggregation)))
    model = apply_precision(encoder.emit(), precision)
    check_int8(model, encoder.emit(), LocalDevice())
    name = "cell0.1.0.conv-3.filters"
    scale = next(t for t in model.graph.initializer if t.name == f"{name}.weight.int8_scale")
    scale.CopyFrom(numpy_helper.from_array(1.1 * numpy_helper.to_array(scale), scale.name))
    with pytest.raises(BorderError, match=f"the int8 product {name}.product differs from its formula"):
        check_int8(model, encoder.emit(), LocalDevice())


def test_padding_changes_nothing() -> None:
    encoder, batch = random_encoder(SHAPE), masked_batch(SHAPE, (5, 2))
    wide = {name: np.pad(value, ((0, 0), (0, 4))) for name, value in batch.items()}
    np.testing.assert_allclose(torch_logits(encoder, wide), torch_logits(encoder, batch), rtol=0, atol=1e-6)


def test_without_a_mask_all_positions_are_tokens() -> None:
    encoder, batch = random_encoder(SHAPE), masked_batch(SHAPE, (5, 5))
    ids, mask, types = (torch.from_numpy(batch[name]) for name in encoder.inputs)
    assert torch.equal(encoder(ids, None, types), encoder(ids, mask, types))


def test_it_goes_through_a_file() -> None:
    assert from_json(Architecture, to_json(SHAPE)) == SHAPE
    assert SHAPE.in_words.startswith("2 x [conv-3(0) + identity(0) | attention-4(1) + lstm(0) | sepconv-5(2)")


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ((), "needs a cell with a node"),
        (((),), "node 1 must read states below 1"),
        (((Edge(1, "conv-3"),),), "node 1 must read states below 1"),
        (((Edge(0, "lstm"), Edge(0, "lstm")),), "each block of one at most once"),
    ],
)
def test_wrong_cells_are_refused(nodes: tuple[tuple[Edge, ...], ...], words: str) -> None:
    with pytest.raises(BorderError, match=words):
        check_cells(Cells(nodes, 1, "max-pooling"))


def test_cells_go_with_neither_layers_nor_a_missing_aggregation() -> None:
    for wrong in (replace(TEACHER, cells=SHAPE.cells), replace(SPACE, cells=Cells(NODES, 2, None))):
        with pytest.raises(BorderError, match="cells stand in the place of layers"):
            check_architecture(wrong)


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(InputError, match=r"got 'lsmt'; did you mean 'lstm'\?"):
        Encoder(replace(SPACE, cells=Cells(((Edge(0, "lsmt"),),), 1, "max-pooling")))


@pytest.mark.parametrize(
    ("block", "aggregation", "got"),
    [
        ("none", "max-pooling", "none"),  # an edge that brings nothing is no edge of a student
        ("max-pooling", "max-pooling", "max-pooling"),
        ("conv-3", "lstm", "lstm"),
    ],
)
def test_what_stands_in_the_wrong_place_is_named(block: str, aggregation: str, got: str) -> None:
    with pytest.raises(InputError, match=f"expected one of .*, got '{got}'"):
        Encoder(replace(SPACE, cells=Cells(((Edge(0, block),),), 1, aggregation)))


def test_nodes_without_a_reader_are_left_out() -> None:
    nodes = ((Edge(0, "conv-3"),), (Edge(0, "lstm"),), (Edge(1, "identity"), Edge(0, "conv-5")))
    assert read_nodes(nodes) == ((Edge(0, "conv-3"),), (Edge(1, "identity"), Edge(0, "conv-5")))
    assert read_nodes(NODES) == NODES


def test_random_stacks_are_right_and_use_every_block() -> None:
    random, seen = np.random.default_rng(0), set()
    for number in range(60):
        cells = random_cells(random, stacked=1 + number % 3, per_token=False)
        check_architecture(replace(SPACE, cells=cells))
        seen |= {edge.block for node in cells.nodes for edge in node}
    assert seen == set(CANDIDATES)
    assert random_cells(random, stacked=1, per_token=True).aggregation is None


def test_gradients_reach_every_parameter() -> None:
    encoder, batch = random_encoder(SHAPE).train(), masked_batch(SHAPE)
    encoder(*(torch.from_numpy(batch[name]) for name in encoder.inputs)).square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []
