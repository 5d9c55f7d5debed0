"""Tables of cells on the fake device, whose times are known: what they predict is what whole students take."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import masked_batch, random_encoder, tiny

from compressor.encoder import AGGREGATIONS, BLOCKS
from compressor.latency import candidate_ops, estimate, measure_table, measured_ops, operations
from compressor.latency.coverage import check_coverage
from compressor.latency.probes import op_graph
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.cells import Cells, Edge
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.promise import Workload
from compressor.runtimes.fake import FakeDevice
from compressor.runtimes.local import LocalDevice
from compressor.space.cells import EDGES, cell_space, random_cells

SPACE = cell_space(tiny((3, 48), hidden=24), 16)
OPTIONS, WORKLOAD = CompileOptions(1), Workload(batch=2, sequence_length=7, threads=1)


@pytest.fixture(scope="module", params=[Precision.FP32, Precision.INT8])
def table(request: pytest.FixtureRequest) -> LatencyTable:
    return measure_table(FakeDevice(), "fake", SPACE, request.param, OPTIONS, WORKLOAD)


def whole_model_us(shape: Architecture, precision: Precision) -> float:
    """Virtual time of one run."""
    device = FakeDevice()
    engine = device.compile(apply_precision(random_encoder(shape).emit(), precision).SerializeToString(), OPTIONS)
    engine.run(masked_batch(shape, (WORKLOAD.sequence_length,) * WORKLOAD.batch))
    return device.clock() / 1e3


def test_every_block_and_aggregation_has_an_entry(table: LatencyTable) -> None:
    kinds = {entry.op.kind for entry in table.entries}
    assert kinds == {"stem", "join", *BLOCKS, *AGGREGATIONS} - {"identity", "none"}
    assert [entry.op.width for entry in table.entries if entry.op.kind == "join"] == list(range(1, EDGES + 1))
    check_coverage(table)
    assert set(measured_ops(SPACE, table.precision)) == set(candidate_ops(SPACE, table.precision))


def test_the_sum_of_the_entries_is_what_whole_students_take(table: LatencyTable) -> None:
    random = np.random.default_rng(3)
    for number in range(20):
        shape = replace(SPACE, cells=random_cells(random, stacked=1 + number % 4, per_token=False))
        predicted, real = estimate(table, shape), whole_model_us(shape, table.precision)
        # The forms of the mask are made once for all blocks that read them, and belong to none.
        assert predicted.value_us == pytest.approx(real, rel=0.08), shape.cells


def test_operations_are_the_blocks_in_order() -> None:
    nodes = ((Edge(0, "conv-3"), Edge(0, "identity")), (Edge(1, "lstm"),))
    shape = replace(SPACE, cells=Cells(nodes, 2, "max-pooling"))
    cell = ["conv-3", "join", "lstm", "join"]
    found = operations(shape, Precision.INT8)
    assert [op.kind for op in found] == ["stem", *cell, *cell, "max-pooling"]
    assert [op.width for op in found if op.kind == "join"] == [2, 1, 2, 1]


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_a_probe_has_as_many_copies_as_asked(precision: Precision) -> None:
    for op in candidate_ops(SPACE, precision)[1:]:
        few, many = (len(op_graph(SPACE, op, copies).graph.node) for copies in (2, 6))
        assert many > few, op
        model = op_graph(SPACE, op, 3)
        engine = LocalDevice().compile(model.SerializeToString(), OPTIONS)
        hidden = np.random.default_rng(0).standard_normal((2, 7, 16)).astype(np.float32)
        feeds = dict.fromkeys(engine.inputs, hidden) | {"attention_mask": np.ones((2, 7), dtype=np.int64)}
        assert np.isfinite(engine.run({name: feeds[name] for name in engine.inputs})).all()
