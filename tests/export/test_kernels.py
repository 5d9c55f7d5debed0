"""What the runtime's optimiser leaves of our graphs, counted; fusions that are switched off are missed."""

from pathlib import Path

import numpy as np
import pytest
from tiny_models import random_encoder, tiny

from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.export.kernels import check_kernels, expected_kernels
from compressor.gate.facts import product_operations
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.cells import Cells, Edge
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.fake import FakeDevice
from compressor.runtimes.local import OPENVINO, LocalDevice

# Between them every kind of product that a block or an aggregation has.
MIXED = ((Edge(0, "conv-3"), Edge(0, "identity")), (Edge(1, "attention-4"), Edge(0, "lstm")))
SEPARATE = ((Edge(0, "sepconv-5"), Edge(0, "identity")),)
SHAPES = {
    "first token": tiny((2, 32), (1, 16)),
    "several heads": tiny((2, 32), (2, 16)),
    "relative": tiny((2, 32), (1, 16), relative_buckets=8, token_types=0),
    "per token": tiny((2, 32), (1, 16), per_token=True),
    "one sub-layer": tiny((2, 0)),
    "cells, attention pooling": tiny(embedding=24, cells=Cells(MIXED, 2, "attention-pooling")),
    "cells, dynamic routing": tiny(embedding=24, cells=Cells(SEPARATE, 1, "dynamic-routing")),
}


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_operator_becomes_its_kernel(shape: Architecture, precision: Precision, tmp_path: Path) -> None:
    device = LocalDevice()
    model = apply_precision(random_encoder(shape).emit(), precision)
    for options in device.option_variants(1, precision):
        device.save_engine(model.SerializeToString(), options, tmp_path / "engine.onnx")
        check_kernels(model, device.kernels(tmp_path / "engine.onnx", options))


def test_openvino_has_no_kernels_for_products_that_are_quantised_at_run_time(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    device, options = LocalDevice(), CompileOptions(1, runtime=OPENVINO)
    model = apply_precision(random_encoder(SHAPES["first token"]).emit(), Precision.INT8)
    device.save_engine(model.SerializeToString(), options, tmp_path / "engine.onnx")
    with pytest.raises(BorderError, match="the engine has 0 of"):
        check_kernels(model, device.kernels(tmp_path / "engine.onnx", options))
    assert options not in device.option_variants(1, Precision.INT8)
    assert options in device.option_variants(1, Precision.INT8_STATIC)


def test_expected_are_the_products_norms_and_activations_of_the_layers() -> None:
    encoder = random_encoder(tiny((2, 32), (2, 32)))
    fp32, static = (
        expected_kernels(apply_precision(encoder.emit(), p)) for p in (Precision.FP32, Precision.INT8_STATIC)
    )
    assert (fp32["norm"], fp32["activation"], fp32["softmax"]) == (5, 2, 2)
    assert "int8 product" not in fp32
    # Of 14 and 2 of the head, two per attention are of two activations.
    assert fp32["product"] == static["int8 product"] + static["product"]
    assert static["product"] == 2 + 2 * 2


def test_a_lost_fusion_is_an_error(tmp_path: Path) -> None:
    model = apply_precision(random_encoder(SHAPES["first token"]).emit(), Precision.INT8)
    options = CompileOptions(1, ("MatMulIntegerToFloatFusion", "DynamicQuantizeMatMulFusion"))
    onnxruntime_cpu.compile_model(model.SerializeToString(), options, save=tmp_path / "engine.onnx")
    with pytest.raises(BorderError, match="the engine has 0 of 10 int8 products as kernels of their own"):
        check_kernels(model, onnxruntime_cpu.kernels(tmp_path / "engine.onnx"))


def test_a_device_that_does_not_tell_is_believed() -> None:
    model = apply_precision(random_encoder(SHAPES["first token"]).emit(), Precision.INT8)
    check_kernels(model, FakeDevice().kernels(Path("engine.onnx"), CompileOptions(1)))


def test_products_of_rounded_tensors_count_as_int8() -> None:
    encoder: Encoder = random_encoder(SHAPES["several heads"])
    sizes = dict.fromkeys(encoder.inputs, (1, 8))
    dynamic, static = (
        product_operations(apply_precision(encoder.emit(), p), sizes) for p in (Precision.INT8, Precision.INT8_STATIC)
    )
    assert static == dynamic
    assert np.all([dynamic[kind] > 0 for kind in ("int8", "fp32")])
