"""OpenVINO as a runtime: any shape, named shapes, and inputs that are padded up to them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tiny_models import masked_batch, random_encoder, tiny, torch_logits

from compressor.errors import UnavailableError
from compressor.precision import apply_precision
from compressor.precision.calibration import measured_ranges
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.local import OPENVINO, LocalDevice
from compressor.tasks import Tokens

pytest.importorskip("openvino", reason="the extra `openvino` is not installed")

SHAPES = {
    "first token": tiny((2, 32), (1, 16)),
    "relative": tiny((2, 32), (1, 16), relative_buckets=8, token_types=0),
    "per token": tiny((2, 32), (1, 16), per_token=True),
    "narrow words": tiny((2, 32), word_rank=8, token_types=0),
}
ANY = CompileOptions(1, runtime=OPENVINO)
NAMED = CompileOptions(1, runtime=OPENVINO, shapes=((1, 4), (1, 8)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("options", [ANY, NAMED], ids=["any shape", "named shapes"])
def test_every_length_gives_the_answers_of_torch(shape: Architecture, options: CompileOptions) -> None:
    encoder = random_encoder(shape)
    engine = LocalDevice().compile(encoder.emit().SerializeToString(), options)
    for length in (1, 3, 4, 5, 6, 7, 8, 9, 12, 3):
        batch = masked_batch(shape, (length,), seed=length)
        found = engine.run({name: batch[name] for name in engine.inputs})
        np.testing.assert_allclose(found, torch_logits(encoder, batch), rtol=0, atol=1e-5)


def test_batches_of_another_size_are_run_as_they_are() -> None:
    encoder = random_encoder(SHAPES["first token"])
    engine = LocalDevice().compile(encoder.emit().SerializeToString(), NAMED)
    batch = masked_batch(encoder.architecture)
    np.testing.assert_allclose(engine.run(batch), torch_logits(encoder, batch), rtol=0, atol=1e-5)


def test_what_fills_an_input_up_is_padding() -> None:
    """A model that looks for the last token that is none, as GPT-2 does, would answer for the filling otherwise."""
    ids = helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", "length"])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 1])
    nodes = [
        helper.make_node("Equal", ["input_ids", "padding"], ["padded"]),
        helper.make_node("Cast", ["padded"], ["counted"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["counted", "axes"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(7, dtype=np.int64), "padding"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
    ]
    graph = helper.make_graph(nodes, "padded", [ids], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    engine = LocalDevice().compile(model.SerializeToString(), replace(NAMED, pad_id=7))
    assert engine.run({"input_ids": np.full((1, 3), 5, dtype=np.int64)}).tolist() == [[1.0]]
    assert engine.run({"input_ids": np.full((1, 5), 5, dtype=np.int64)}).tolist() == [[3.0]]


def test_runs_from_many_threads_do_not_mix() -> None:
    encoder = random_encoder(SHAPES["first token"])
    engine = LocalDevice().compile(encoder.emit().SerializeToString(), NAMED)
    batches = [masked_batch(encoder.architecture, (4,), seed=seed) for seed in range(8)]
    expected = [torch_logits(encoder, batch) for batch in batches]

    def ask(number: int) -> float:
        batch = batches[number % 8]
        found = engine.run({name: batch[name] for name in engine.inputs})
        return float(np.abs(found - expected[number % 8]).max())

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(ask, range(400))) < 1e-5


def test_an_answer_is_not_written_over_by_the_next() -> None:
    encoder = random_encoder(SHAPES["first token"])
    engine = LocalDevice().compile(encoder.emit().SerializeToString(), ANY)
    first = engine.run(masked_batch(encoder.architecture, (5,), seed=1))
    copy = first.copy()
    engine.run(masked_batch(encoder.architecture, (5,), seed=2))
    np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("options", [ANY, NAMED], ids=["any shape", "named shapes"])
def test_int8_with_constant_ranges_is_nearly_the_model(options: CompileOptions) -> None:
    shape = SHAPES["first token"]
    encoder, random = random_encoder(shape), np.random.default_rng(0)
    ids = random.integers(0, shape.vocabulary, 600).astype(np.int32)
    tokens = Tokens(ids, np.zeros(600, dtype=np.uint8), np.arange(0, 601, 6, dtype=np.int64))
    ranges = measured_ranges(encoder.emit(), tokens, pad_id=0)
    model = apply_precision(encoder.emit(), Precision.INT8_STATIC, ranges).SerializeToString()
    engine = LocalDevice().compile(model, options)
    found, wanted = [], []
    for row in range(20):
        feeds = tokens.padded([row], 0)
        found.append(engine.run({name: feeds[name] for name in engine.inputs}))
        wanted.append(torch_logits(encoder, feeds))
    error = np.abs(np.concatenate(found) - np.concatenate(wanted))
    assert 0 < error.max() < 0.2 * np.abs(np.concatenate(wanted)).max()


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engine.onnx").write_bytes(b"no graph")
    with pytest.raises(UnavailableError, match="cannot load the graph"):
        LocalDevice().compile(tmp_path / "engine.onnx", ANY)
