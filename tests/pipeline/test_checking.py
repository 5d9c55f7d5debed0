"""A mistake in what is about to ship ends the run, and says where it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from pipeline_runs import Ask, Run, Times
from tiny_models import copied

from benchmarks.planted_faults import EMITTER, PASS, Fault
from compressor.errors import BorderError
from compressor.export import write_models, write_texts
from compressor.export.graphs import checked, final_graph
from compressor.pipeline import finishing
from compressor.records.architecture import Precision
from compressor.records.request import CompressRequest


@pytest.fixture
def request_of(ask: Ask, teacher_ms: Times) -> CompressRequest:
    """The int8 teacher keeps it, so that nothing has to be trained."""
    return ask(1.2 * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Precision, Fault], None]:
    """Let graphs of one precision have a fault: the one that others are compared with, or the one that ships."""

    def put(where: Precision, fault: Fault) -> None:
        def faulty(make: Callable[..., onnx.ModelProto]) -> Callable[..., onnx.ModelProto]:
            def made(source: Any, precision: Precision) -> onnx.ModelProto:
                model = make(source, precision)
                if precision is where:
                    fault(model)
                return model

            return made

        monkeypatch.setattr(finishing, "final_graph", faulty(final_graph))
        monkeypatch.setattr(finishing, "checked", faulty(checked))

    return put


def test_what_is_right_ships_with_its_difference(request_of: CompressRequest, run: Run) -> None:
    report = run(request_of).report
    assert report.precision is Precision.INT8
    assert 0 < report.verification.numerics.emitted_difference < 1e-4


def test_a_fault_of_the_emitter_ends_the_run(
    plant: Callable[[Precision, Fault], None], request_of: CompressRequest, run: Run
) -> None:
    plant(Precision.FP32, EMITTER["mask too weak"])
    with pytest.raises(BorderError, match="the attention of layer 0 of the emitted graph differs"):
        run(request_of)


def test_what_only_the_longest_input_shows_is_found(
    plant: Callable[[Precision, Fault], None], request_of: CompressRequest, run: Run
) -> None:
    def last_position(model: onnx.ModelProto) -> None:
        table = next(tensor for tensor in model.graph.initializer if tensor.name == "position.weight")
        width = 4 * table.dims[1]
        table.raw_data = table.raw_data[:-width] + bytes(width)

    plant(Precision.FP32, last_position)
    with pytest.raises(BorderError, match="the embeddings of the emitted graph differs"):
        run(request_of)


def test_a_fault_of_the_pass_ends_the_run(
    plant: Callable[[Precision, Fault], None], request_of: CompressRequest, run: Run
) -> None:
    plant(Precision.INT8, PASS["wrong scale of one column"])
    with pytest.raises(BorderError, match=r"the int8 product layer0\.feed_forward\.inner\.product differs"):
        run(request_of)


def test_an_engine_of_another_model_ends_the_run(
    request_of: CompressRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(folder: Path, model: onnx.ModelProto, *others: Any) -> Any:
        old = copied(model)
        EMITTER["labels swapped"](old)
        options = write_models(folder, old, *others)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        return options

    monkeypatch.setattr(finishing, "write_models", stale)
    with pytest.raises(BorderError, match=r"engine\.onnx differs from model\.onnx by"):
        run(request_of)


def test_a_stale_vocabulary_ends_the_run(
    request_of: CompressRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(folder: Path, *others: Any) -> None:
        write_texts(folder, *others)
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        words = list(vocabulary)
        moved = [vocabulary[word] for word in (*words[6:], words[5])]  # the special tokens keep theirs
        vocabulary.update(zip(words[5:], moved, strict=True))
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))

    monkeypatch.setattr(finishing, "write_texts", stale)
    with pytest.raises(BorderError, match="the tokenizer in the bundle gives other tokens"):
        run(request_of)
