"""Kernels of an op: the runtime's nodes, the emitted graph's operations, and the same work in both forms."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from tiny_models import tiny

from compressor.latency import candidate_ops
from compressor.latency.fused import fused_kernels
from compressor.latency.nodes import node_kernels
from compressor.latency.probes import op_graph, stem_graph
from compressor.latency.work import Elementwise, Kernel, Product, weight_bytes
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes.fake import RATE_FLOP_PER_NS, products_ns
from compressor.runtimes.local import LocalDevice

FP32, INT8 = ESTIMATED = Precision.FP32, Precision.INT8
TEACHER = tiny((3, 48), (3, 48))
WORKLOAD = Workload(batch=2, sequence_length=7, threads=1)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "per token": {"per_token": True},
    "relative": {"relative_buckets": 8},
    "narrow tables": {"embedding": 8},
    "no types": {"token_types": 0},
    "relu": {"activation": "relu", "head_activation": "relu"},
    "gelu head": {"head_activation": "gelu"},
}


def one_of_each(shape: Architecture, precision: Precision) -> list[OpKey]:
    """One op of every kind, for all positions and for the first only."""
    return list({(op.kind, op.first_token): op for op in candidate_ops(shape, precision)}.values())


def per_copy(measure: Any, op: OpKey, shape: Architecture) -> Any:
    """What one more copy of an op adds to a graph, as the table is measured; the stem whole."""
    if op.kind == "stem":
        return measure(stem_graph(shape, op))
    few, many = measure(op_graph(shape, op, 2)), measure(op_graph(shape, op, 6))
    return (many - few) / 4


def products(kernels: tuple[Kernel, ...]) -> list[Product]:
    return [kernel for kernel in kernels if isinstance(kernel, Product)]


@pytest.mark.parametrize("precision", ESTIMATED)
@pytest.mark.parametrize("variant", VARIANTS)
def test_kernels_on_a_cpu_are_the_nodes_that_the_runtime_leaves(
    variant: str, precision: Precision, tmp_path: Path
) -> None:
    shape = tiny((3, 48), (3, 48), **VARIANTS[variant])

    def nodes(model: onnx.ModelProto) -> int:
        options = CompileOptions(1, ("SkipLayerNormFusion",))
        LocalDevice().save_engine(model.SerializeToString(), options, tmp_path / "engine.onnx")
        return len(onnx.load_model(tmp_path / "engine.onnx").graph.node)

    for op in one_of_each(shape, precision):
        kernels = node_kernels(shape, op, WORKLOAD)
        launched = [k for k in kernels if not (isinstance(k, Elementwise) and not k.launched)]
        assert len(launched) == per_copy(nodes, op, shape), op


@pytest.mark.parametrize("variant", VARIANTS)
def test_operations_are_those_of_the_emitted_graph(variant: str) -> None:
    shape = tiny((3, 48), (3, 48), **VARIANTS[variant])
    for op in one_of_each(shape, FP32):
        length = 1 if op.kind == "feed_forward" and op.first_token else WORKLOAD.sequence_length

        def operations(model: onnx.ModelProto, length: int = length) -> float:
            rows = (WORKLOAD.batch, length)
            shapes = {v.name: (*rows, 16) if "hidden" in v.name else rows for v in model.graph.input}
            return products_ns(model, shapes) * RATE_FLOP_PER_NS["MatMul"]

        constant = [k for k in products(node_kernels(shape, op, WORKLOAD)) if k.weight_bytes]
        assert sum(k.operations for k in constant) == pytest.approx(per_copy(operations, op, shape)), op


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", ESTIMATED)
def test_both_forms_of_an_op_do_the_same_work(variant: str, precision: Precision) -> None:
    shape = tiny((3, 48), (3, 48), **VARIANTS[variant])
    for op in candidate_ops(shape, precision):
        nodes, fused = (form(shape, op, WORKLOAD) for form in (node_kernels, fused_kernels))
        assert sum(k.operations for k in products(nodes)) == sum(k.operations for k in products(fused)), op
        assert len(fused) < len(nodes)
        if op.kind != "stem":  # whose head stays in float32 on a CPU
            assert weight_bytes(nodes) == weight_bytes(fused) > 0


def test_the_weights_of_a_feed_forward_op_by_hand() -> None:
    op = OpKey("feed_forward", 3072, 768, 0, "gelu", FP32, False)
    kernels = node_kernels(TEACHER, op, WORKLOAD)
    assert weight_bytes(kernels) == 4 * (2 * 768 * 3072 + 3072 + 768)
    assert sum(k.operations for k in products(kernels)) == 2 * 14 * 2 * 768 * 3072
    int8 = node_kernels(TEACHER, replace(op, precision=INT8), WORKLOAD)
    assert weight_bytes(int8) == 2 * 768 * 3072 + 8 * (3072 + 768)
