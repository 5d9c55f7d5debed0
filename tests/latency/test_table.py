"""The latency table on the fake device, whose times are known: what it predicts is what whole models take."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from scipy.optimize import isotonic_regression
from tables import table_of
from tiny_models import masked_batch, random_encoder, tiny

from compressor.errors import InputError
from compressor.latency import (
    attention_op,
    candidate_ops,
    estimate,
    feed_forward_op,
    measure_table,
    measured_ops,
    operations,
    recalibrated,
    stem_op,
)
from compressor.latency.building import LEAST_ROUNDS
from compressor.latency.calibrating import MODELS
from compressor.latency.measuring import FEW, MANY, MIN_ROUNDS, Bench, OpProbe, op_feeds
from compressor.latency.probes import op_graph, stem_graph, weight_bytes
from compressor.latency.smoothing import isotonic, smooth
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.latency import Calibration, CompileOptions, LatencyTable, Measured, TableEntry
from compressor.records.promise import Workload
from compressor.runtimes.fake import FakeDevice
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.onnxruntime_cpu import option_variants
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.tokens import Tokens

TEACHER = tiny((3, 48), (3, 48), (3, 48))
OPTIONS = CompileOptions(1)
WORKLOAD = Workload(batch=2, sequence_length=7, threads=1)


TOKEN_TEACHER = replace(TEACHER, per_token=True)


@pytest.fixture(scope="module", params=list(Precision))
def table(request: pytest.FixtureRequest) -> LatencyTable:
    """All candidates, without noise."""
    return measure_table(FakeDevice(), "fake", TEACHER, request.param, OPTIONS, WORKLOAD)


@pytest.fixture(scope="module", params=list(Precision))
def token_table(request: pytest.FixtureRequest) -> LatencyTable:
    """The same of a per-token teacher."""
    return measure_table(FakeDevice(), "fake", TOKEN_TEACHER, request.param, OPTIONS, WORKLOAD)


def bench(device: FakeDevice) -> Bench:
    return Bench(device, TEACHER, OPTIONS, WORKLOAD)


def visited(bench: Bench, op: OpKey, visits: int = 4) -> TableEntry:
    """The cost of an op."""
    probe = OpProbe(bench, op)
    for _ in range(visits):
        probe.visit()
    return probe.entry


def whole_model_us(shape: Architecture, precision: Precision) -> float:
    """Virtual time of one run of a whole model."""
    device = FakeDevice()
    model = apply_precision(random_encoder(shape).emit(), precision)
    engine = device.compile(model.SerializeToString(), OPTIONS)
    engine.run(masked_batch(shape, (WORKLOAD.sequence_length,) * WORKLOAD.batch))
    return device.clock() / 1e3


def random_students() -> list[Architecture]:
    random = np.random.default_rng(5)
    heads, neurons = random.choice([0, 1, 2, 3], (20, 3)), random.choice([0, 16, 32, 48], (20, 3))
    shapes = [TEACHER.with_layers(tiny(*zip(h, n, strict=True)).layers) for h, n in zip(heads, neurons, strict=True)]
    return [shape for shape in shapes if any(layer.heads for layer in shape.layers)]


def test_the_sum_of_the_entries_is_what_whole_models_take(table: LatencyTable) -> None:
    students = [*random_students(), TEACHER, tiny()]
    assert len(students) > 15
    for shape in students:
        predicted, real = estimate(table, shape), whole_model_us(shape, table.precision)
        assert predicted.value_us == pytest.approx(real, rel=0.01), shape.layers


def test_the_entries_of_a_per_token_teacher_add_up_too(token_table: LatencyTable) -> None:
    for shape in [replace(shape, per_token=True) for shape in (*random_students(), TEACHER, tiny())]:
        predicted, real = estimate(token_table, shape), whole_model_us(shape, token_table.precision)
        assert predicted.value_us == pytest.approx(real, rel=0.01), shape.layers


def test_a_table_says_under_which_conditions_it_holds(table: LatencyTable) -> None:
    assert (table.device, table.runtime, table.options, table.workload) == ("fake", "fake 1", OPTIONS, WORKLOAD)
    assert (table.teacher, table.source, table.calibration.models) == (TEACHER, "measured", MODELS)
    assert {entry.op for entry in table.entries} == set(measured_ops(TEACHER, table.precision))
    assert all(min(entry.cached.samples, entry.uncached.samples) >= MIN_ROUNDS for entry in table.entries)
    assert table.calibration.scale == pytest.approx(1.0, abs=0.01)
    assert all(table.entry(op) for op in candidate_ops(TEACHER, table.precision))


def test_progress_names_what_was_measured_and_reaches_one() -> None:
    seen: list[tuple[float, str]] = []

    def progress(share: float, text: str) -> None:
        seen.append((share, text))

    measure_table(FakeDevice(), "fake", TEACHER, Precision.FP32, OPTIONS, WORKLOAD, progress=progress)
    shares, texts = zip(*seen, strict=True)
    assert list(shares) == sorted(shares)
    assert shares[-1] == 1.0
    assert texts == (*map(str, measured_ops(TEACHER, Precision.FP32) * LEAST_ROUNDS), "whole models")


def test_noise_shows_in_the_error_and_the_truth_is_within_it() -> None:
    op = feed_forward_op(TEACHER, 48, Precision.INT8, first_token=False)
    truth = visited(bench(FakeDevice()), op).cached
    noisy = [visited(bench(FakeDevice(noise=0.05, seed=seed)), op).cached for seed in range(12)]
    assert truth.standard_error_us == pytest.approx(0, abs=0.01)
    errors = [(cost.value_us - truth.value_us) / cost.standard_error_us for cost in noisy]
    assert np.sqrt(np.mean(np.square(errors))) < 2  # of size 1 if the error bar is right
    assert np.ptp([cost.value_us for cost in noisy]) > 0


def test_the_same_seed_gives_the_same_costs() -> None:
    op = feed_forward_op(TEACHER, 16, Precision.FP32, first_token=True)
    costs = [visited(bench(FakeDevice(noise=0.05, seed=seed)), op) for seed in (1, 1, 2)]
    assert costs[0] == costs[1] != costs[2]


OPS = [
    attention_op(TEACHER, 2, Precision.FP32, first_token=False),
    attention_op(TEACHER, 2, Precision.FP32, first_token=True),
    feed_forward_op(TEACHER, 32, Precision.FP32, first_token=False),
    feed_forward_op(TEACHER, 32, Precision.FP32, first_token=True),
]


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("options", option_variants(1), ids=lambda o: f"without {o.disabled_fusions}")
@pytest.mark.parametrize("per_token", [False, True])
def test_probes_run_the_operators_of_whole_models(
    precision: Precision, options: CompileOptions, per_token: bool, tmp_path: Path
) -> None:
    """After the runtime's optimiser: stem + what a further copy adds = model: the same kernels and fusions."""
    shape = tiny((2, 32), (0, 16), (3, 32), (1, 48), (0, 32), per_token=per_token)

    def operators(model: onnx.ModelProto) -> Counter[str]:
        LocalDevice().save_engine(model.SerializeToString(), options, tmp_path / "engine.onnx")
        return Counter(node.op_type for node in onnx.load_model(tmp_path / "engine.onnx").graph.node)

    stem, *ops = operations(shape, precision)
    total = Counter({name: count * (MANY - FEW) for name, count in operators(stem_graph(shape, stem)).items()})
    for op in ops:
        total.update(operators(op_graph(shape, op, MANY)))
        total.subtract(operators(op_graph(shape, op, FEW)))
    predicted = {name: count / (MANY - FEW) for name, count in total.items() if count}
    if not per_token:
        predicted["Squeeze"] += 1  # the mask of the layers of the first token, one for all
    assert predicted == operators(apply_precision(random_encoder(shape).emit(), precision))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("op", OPS, ids=str)
@pytest.mark.parametrize("copies", [FEW, MANY])
def test_a_probe_is_a_valid_graph_of_its_copies(op: OpKey, precision: Precision, copies: int) -> None:
    model = op_graph(TEACHER, replace(op, precision=precision), copies)
    onnx.checker.check_model(model, full_check=True)
    products = {"attention": 4 if op.first_token else 2, "feed_forward": 2}[op.kind] * copies
    found = Counter(node.op_type for node in model.graph.node)
    assert found["LayerNormalization"] == copies
    assert found["MatMulInteger"] == found["DynamicQuantizeLinear"] == (products if precision == "int8" else 0)


@pytest.mark.parametrize(
    "op", [*OPS, stem_op(TEACHER, Precision.FP32), stem_op(TOKEN_TEACHER, Precision.FP32)], ids=str
)
def test_probes_run_on_their_inputs(op: OpKey) -> None:
    shape = TEACHER if op.first_token else TOKEN_TEACHER
    graphs = [stem_graph(shape, op)] if op.kind == "stem" else [op_graph(shape, op, n) for n in (FEW, MANY)]
    for feeds in op_feeds(shape, op, WORKLOAD):
        for graph in graphs:
            session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
            output = session.run(None, {node.name: feeds[node.name] for node in session.get_inputs()})[0]
            assert output.shape[0] == WORKLOAD.batch
            assert np.isfinite(output).all()


def entries(values: list[float], errors: list[float], op: OpKey) -> list[TableEntry]:
    return [
        TableEntry(replace(op, width=index + 1), Measured(value, error, 10), Measured(2 * value, error, 10), 0)
        for index, (value, error) in enumerate(zip(values, errors, strict=True))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_regression_is_scipys(seed: int) -> None:
    random = np.random.default_rng(seed)
    values, weights = random.normal(np.arange(30) / 5, 1.0), random.uniform(0.1, 9.0, 30)
    expected = isotonic_regression(values, weights=weights).x
    assert isotonic(values.tolist(), weights.tolist()) == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 1.0], [1.0, 2.0, 3.0]])
def test_isotonic_leaves_rising_values_alone(values: list[float]) -> None:
    assert isotonic(values, [1.0] * len(values)) == values


def test_costs_never_fall_with_the_width_within_one_kind_of_op() -> None:
    values, errors = [5.0, 4.0, 9.0, 8.5], [0.1, 0.3, 0.2, 0.2]
    groups = [entries(values, errors, op) for op in OPS]
    shuffled = [groups[i % 4][(i * 7 + i // 4) % 4] for i in range(16)]
    assert len({entry.op for entry in shuffled}) == 16
    result = smooth(shuffled)
    assert [entry.op for entry in result] == [entry.op for entry in shuffled]
    assert all(entry.uncached.value_us == pytest.approx(2 * entry.cached.value_us) for entry in result)
    expected = isotonic_regression(values, weights=1 / np.square(errors)).x
    for op in OPS:
        found = {e.op.width: e.cached.value_us for e in result if replace(e.op, width=op.width) == op}
        assert [found[width] for width in (1, 2, 3, 4)] == pytest.approx(expected.tolist())


def test_ops_that_differ_in_more_than_their_width_are_not_pooled() -> None:
    op = OPS[2]
    others = [replace(op, activation="relu"), replace(op, hidden=8), replace(op, precision=Precision.INT8)]
    costs = tuple(entries([10.0 - i], [1.0], other)[0] for i, other in enumerate([op, *others]))
    assert smooth(costs) == costs
    heads = tuple(entries([9.0 - size], [1.0], replace(OPS[0], head_size=size))[0] for size in (4, 8))
    assert smooth(heads) == heads


def test_nothing_is_cheaper_from_memory_than_from_the_caches() -> None:
    """Where the two differ by less than their noise, the noise must not turn them round."""
    near, far = Measured(10.0, 0.1, 9), Measured(9.9, 0.3, 7)
    (found,) = smooth([TableEntry(OPS[0], near, far, 64)])
    assert (found.cached, found.uncached) == (near, replace(far, value_us=10.0))


def test_an_estimate_has_the_error_of_its_entries_and_of_the_calibration() -> None:
    shape = tiny((2, 32))
    costs = [Measured(100.0, 3.0, 50), Measured(20.0, 4.0, 40), Measured(30.0, 12.0, 60)]
    table = table_of(shape, dict(zip(operations(shape, Precision.INT8), costs, strict=True)))
    assert estimate(table, shape) == Measured(150.0, 13.0, 40)
    scaled = replace(table, calibration=Calibration(scale=1.1, error_share=0.2))
    found = estimate(scaled, shape)
    assert found.value_us == pytest.approx(165.0)
    assert found.standard_error_us == pytest.approx(math.hypot(14.3, 33.0))


def test_a_model_larger_than_the_caches_pays_for_the_weights_that_come_from_memory() -> None:
    shape = tiny((2, 32))
    ops = operations(shape, Precision.INT8)
    near, far = Measured(10.0, 0.0, 9), Measured(30.0, 0.0, 9)
    made = replace(
        table_of(shape, dict.fromkeys(ops, near)), entries=tuple(TableEntry(o, near, far, 100) for o in ops)
    )
    # 300 bytes of weights, of which 75 or 300 stay: three quarters of the weights, or none, come from memory.
    for cache_bytes, expected in ((75.0, 3 * 25.0), (300.0, 3 * 10.0), (None, 3 * 10.0)):
        table = replace(made, calibration=Calibration(cache_bytes=cache_bytes))
        assert estimate(table, shape).value_us == pytest.approx(expected)


def test_an_overhead_is_added_to_each_op_before_the_scale_and_no_op_costs_less_than_nothing() -> None:
    shape = tiny((2, 32))
    costs = [Measured(100.0, 3.0, 9), Measured(20.0, 3.0, 9), Measured(5.0, 3.0, 9)]
    made = table_of(shape, dict(zip(operations(shape, Precision.INT8), costs, strict=True)))
    for overhead_us, expected in ((4.0, 104.0 + 24.0 + 9.0), (-8.0, 92.0 + 12.0 + 0.0)):
        table = replace(made, calibration=Calibration(scale=1.1, overhead_us=overhead_us))
        assert estimate(table, shape).value_us == pytest.approx(1.1 * expected)


def test_recalibration_makes_the_last_prediction_right() -> None:
    shape = tiny((2, 32))
    table = table_of(shape, dict.fromkeys(operations(shape, Precision.INT8), Measured(40.0, 1.0, 9)))
    for factor in (1.1, 0.9, 1.0):
        predicted = estimate(table, shape).value_us
        table = recalibrated(table, predicted, factor * predicted)
        assert estimate(table, shape).value_us == pytest.approx(factor * predicted)


def test_a_width_between_two_measured_ones_lies_between_their_costs_with_a_wider_error() -> None:
    low, high = (replace(OPS[2], width=width) for width in (16, 48))
    table = table_of(TEACHER, {high: Measured(100.0, 2.0, 20), low: Measured(40.0, 2.0, 10)})
    found = table.entry(replace(low, width=32))
    assert found.cached == Measured(70.0, pytest.approx(math.hypot(2.0 / math.sqrt(2), 60.0 / 8)), 10)
    costs = [table.entry(replace(low, width=width)).cached.value_us for width in range(16, 49, 4)]
    assert costs == sorted(costs)
    assert table.entry(low).cached == Measured(40.0, 2.0, 10)


@pytest.mark.parametrize("width", [8, 64])
def test_widths_outside_the_measured_ones_are_not_guessed(width: int) -> None:
    table = table_of(TEACHER, {replace(OPS[2], width=w): Measured(40.0, 2.0, 10) for w in (16, 48)})
    message = f"no entry for `feed_forward {width} of 16, fp32`; it covers widths 16 to 48 of this op"
    with pytest.raises(InputError, match=message):
        table.entry(replace(OPS[2], width=width))


def test_an_op_that_was_not_measured_is_named() -> None:
    table = table_of(TEACHER, {stem_op(TEACHER, Precision.FP32): Measured(1, 0, 9)})
    with pytest.raises(InputError, match="has no entry for `attention 2 x 8 of 16, fp32, first token`"):
        estimate(table, tiny((2, 32)))
    with pytest.raises(InputError, match="has no entry for `stem of 16, int8, first token`; it covers stem/fp32"):
        estimate(replace(table, precision=Precision.INT8), tiny())


@pytest.mark.parametrize(("precision", "bytes_per_weight"), [(Precision.FP32, 4), (Precision.INT8, 1)])
def test_the_bytes_of_an_op_are_those_that_a_run_reads(precision: Precision, bytes_per_weight: int) -> None:
    op = replace(OPS[2], precision=precision)
    one, three = (weight_bytes(op_graph(TEACHER, op, copies)) for copies in (1, 3))
    products = 2 * TEACHER.hidden * op.width * bytes_per_weight
    vectors = 4 * (op.width + 3 * TEACHER.hidden)  # biases, norm
    scales = 4 * (op.width + TEACHER.hidden) if precision is Precision.INT8 else 0
    assert three - one == 2 * (products + vectors + scales)
    stem = weight_bytes(stem_graph(TEACHER, stem_op(TEACHER, precision)))
    assert stem < 4 * TEACHER.hidden * TEACHER.vocabulary  # of the table of words only a few rows are read


def test_a_cost_below_zero_is_zero_with_its_error() -> None:
    """An op that vanishes in the noise must not make an architecture faster."""
    device = FakeDevice(noise=3.0, seed=0)
    op = feed_forward_op(TEACHER, 16, Precision.FP32, first_token=True)
    small = Bench(device, TEACHER, OPTIONS, Workload(1, 1, 1))
    costs = [cost for _ in range(24) for cost in _both(visited(small, op, visits=1))]
    assert all(cost.value_us >= 0 and math.isfinite(cost.value_us) for cost in costs)
    assert min(cost.value_us for cost in costs) == 0
    assert all(cost.standard_error_us > 0 for cost in costs)


def tokens(total: int) -> Tokens:
    ids = np.arange(100, 100 + total, dtype=np.int32)
    return Tokens(ids, np.zeros(total, dtype=np.uint8), np.array([0, total // 2, total]))


@pytest.mark.parametrize("total", [5, 1000])
def test_workload_feeds_are_full_of_the_tasks_own_tokens(total: int) -> None:
    feeds = workload_feeds(tokens(total), WORKLOAD)
    assert len(feeds) == 16
    assert all(list(feed) == ["input_ids", "attention_mask", "token_type_ids"] for feed in feeds)
    assert {(value.dtype.name, value.shape) for feed in feeds for value in feed.values()} == {("int64", (2, 7))}
    assert all(feed["attention_mask"].all() and not feed["token_type_ids"].any() for feed in feeds)
    flat = np.concatenate([feed["input_ids"].ravel() for feed in feeds])
    assert flat.tolist() == [100 + i % total for i in range(16 * 2 * 7)]


def test_the_number_of_feeds_can_be_chosen() -> None:
    assert len(workload_feeds(tokens(40), Workload(1, 8, 1), count=3)) == 3


def _both(entry: TableEntry) -> tuple[Measured, Measured]:
    return entry.cached, entry.uncached
