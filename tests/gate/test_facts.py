"""What is said of a bundle without a clock: operations against their formula, nodes and bytes of its files."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from bundles import edit_manifest, make_bundle, rehash
from tiny import SHAPE

from compressor.encoder import FLOAT, Encoder, GraphBuilder
from compressor.errors import InputError
from compressor.export import ENGINE, MODEL
from compressor.gate.checks import static_checks
from compressor.gate.facts import engine_facts, int8_blocks, product_operations
from compressor.gate.measuring import Side
from compressor.precision import apply_precision, quantise
from compressor.records.architecture import Precision
from compressor.records.gate import GateLimits
from compressor.records.promise import Workload
from compressor.verification import read_manifest

BATCH, LENGTH = 3, 16


def operations_by_hand(batch: int, length: int) -> tuple[int, int]:
    """(with constants, between activations): a layer of all tokens, one whose first alone is read, the head."""
    hidden, heads, size, neurons = SHAPE.hidden, 4, SHAPE.head_size, 64
    inner, tokens = heads * size, batch * length
    whole = 2 * tokens * (4 * hidden * inner + 2 * hidden * neurons)
    first = 2 * batch * (2 * hidden * inner + 2 * heads * hidden * inner + 2 * hidden * neurons)
    head = 2 * batch * (hidden * hidden + hidden * SHAPE.classes)
    attended = 2 * 2 * batch * heads * length * length * size + 2 * 2 * batch * heads * length * hidden
    return whole + first + head, attended


@pytest.mark.parametrize(("batch", "length"), [(1, 8), (BATCH, LENGTH)])
def test_operations_are_those_of_the_products(batch: int, length: int) -> None:
    model = Encoder(SHAPE).emit()
    shapes = {value.name: (batch, length) for value in model.graph.input}
    constant, attended = operations_by_hand(batch, length)
    assert product_operations(model, shapes) == {"fp32": constant + attended}
    int8 = product_operations(apply_precision(model, Precision.INT8), shapes)
    assert sum(int8.values()) == constant + attended
    assert int8["int8"] > 0.9 * constant


def test_a_shape_that_cannot_be_known_is_an_error() -> None:
    model = Encoder(SHAPE).emit()
    product = next(node for node in model.graph.node if node.op_type == "MatMul")
    product.input[0] = "nowhere"
    with pytest.raises(InputError, match="the shape of nowhere cannot be inferred"):
        product_operations(model, {value.name: (1, 8) for value in model.graph.input})


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_STATIC])
def test_every_block_has_its_precision(precision: Precision) -> None:
    layers = [f"layer{i}.{part}" for i in range(2) for part in ("attention", "feed_forward")]
    assert {int8_blocks(Encoder(SHAPE).emit()).get(block) for block in layers} == {0.0}
    blocks = int8_blocks(apply_precision(Encoder(SHAPE).emit(), precision))
    assert [block for block in blocks if block.startswith("layer")] == layers  # in the order of the graph
    assert {blocks[block] for block in layers} == {1.0}
    assert min(blocks.values()) == 0.0  # the head, which is left in float32

    kept = "layer1.feed_forward.output.product"
    mixed = int8_blocks(quantise(Encoder(SHAPE).emit(), precision, kept=(kept,)).model)
    assert mixed == {**blocks, "layer1.feed_forward": 0.5}


def test_products_with_other_names_are_blocks_of_their_own() -> None:
    model = Encoder(SHAPE).emit()
    product = next(node for node in model.graph.node if node.output[0] == "layer0.feed_forward.inner.product")
    reader = next(node for node in model.graph.node if product.output[0] in node.input)
    reader.input[list(reader.input).index(product.output[0])] = product.output[0] = "/dense/MatMul"
    assert int8_blocks(apply_precision(model, Precision.INT8))["/dense/MatMul"] == 1.0


def test_convolutions_and_recurrences_count() -> None:
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, ["rows", "steps", "channels"])
    filters = graph.constant(np.zeros((6, 2, 3), dtype=np.float32), "filters")  # two groups, kernel of 3
    mixed = graph.node("Conv", [x, filters], "mixed", group=2)
    weights = [graph.constant(np.zeros((1, 16, size), dtype=np.float32), f"w{size}") for size in (7, 4)]
    graph.output(graph.node("LSTM", [mixed, *weights], "states", hidden_size=4), FLOAT, ["steps", 1, "rows", 4])
    found = product_operations(graph.build("both"), {"x": (5, 4, 9)})
    convolution = 2 * (5 * 6 * 7) * (2 * 3)  # every result: two channels, three places
    recurrence = 2 * (5 * 6) * 16 * (7 + 4)  # every step of every row: four gates of 4, from input and state
    assert found == {"fp32": convolution + recurrence}


@pytest.fixture
def bundle(tiny_teacher: Path, tiny_data: Path, tmp_path: Path) -> Path:
    make_bundle(tmp_path / "bundle", tiny_teacher, tiny_data)
    return tmp_path / "bundle"


def test_facts_are_those_of_the_files(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    facts = engine_facts(Side(bundle, manifest))
    graph = onnx.load(bundle / ENGINE).graph
    assert sum(facts.nodes.values()) == len(graph.node)
    assert facts.nodes["MatMulInteger"] == sum(node.op_type == "MatMulInteger" for node in graph.node)
    shipped = (ENGINE, "tokenizer.json", "tokenizer_config.json")
    assert facts.bytes == sum((bundle / name).stat().st_size for name in shipped)
    assert facts.engine_digest == manifest.files[ENGINE]
    assert facts.architecture is not None
    assert facts.architecture.startswith("4/64 4/64 [")
    assert (facts.precision, facts.workload) == ("int8", Workload(1, 16, 1))
    assert (facts.runtime, facts.kept, facts.task) == ("onnxruntime", (), manifest.task)
    assert (facts.teacher_digest, facts.data_digest) == (manifest.teacher_digest, "0")
    assert facts.max_accuracy_drop_points == manifest.budget.max_accuracy_drop_points
    assert facts.int8_blocks["layer0.attention"] == 1.0


def test_they_change_with_the_workload_as_the_work_does(bundle: Path) -> None:
    short = engine_facts(Side(bundle, read_manifest(bundle)))
    edit_manifest(bundle, workload=Workload(2, 16, 1))
    double = engine_facts(Side(bundle, read_manifest(bundle)))
    assert sum(double.operations.values()) == 2 * sum(short.operations.values())
    assert double.nodes == short.nodes


@pytest.mark.parametrize("changes", [{"hidden": 24}, {"activation": "relu"}], ids=["narrower", "other activation"])
def test_shapes_with_the_same_words_are_told_apart(bundle: Path, changes: dict[str, object]) -> None:
    manifest = read_manifest(bundle)
    before = engine_facts(Side(bundle, manifest))
    assert manifest.architecture is not None
    edit_manifest(bundle, architecture=replace(manifest.architecture, **changes))  # type: ignore[arg-type]
    after = engine_facts(Side(bundle, read_manifest(bundle)))
    assert after.architecture != before.architecture
    found = {check.name: check.verdict for check in static_checks(before, after, GateLimits(), timed=True)}
    assert found["nodes of the engine"] is None  # nothing to hold against another shape


def test_a_graph_that_is_none_is_said(bundle: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / MODEL).write_bytes(b"no graph")
    rehash(broken)
    with pytest.raises(InputError, match=r"model\.onnx is no ONNX graph that can be read"):
        engine_facts(Side(broken, read_manifest(broken)))
