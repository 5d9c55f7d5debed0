"""Every border check lets a good record through and refuses an injected fault."""

from dataclasses import replace
from typing import Any

import pytest
from records.examples import example
from tiny_models import tiny

from compressor.errors import BorderError, InputError
from compressor.records.architecture import (
    Cut,
    Layer,
    LayerCut,
    OpKey,
    Precision,
    check_architecture,
    check_cut,
)
from compressor.records.latency import LatencyTable, Measured, check_table
from compressor.records.promise import Budget, Reason, Verdict, Workload, combine, exit_code
from compressor.records.request import CompressRequest
from compressor.records.results import Report, Row, Verification, check_verification
from compressor.records.score import LayerScore, ScoredSpace, UnitScore, check_scores
from compressor.records.stages import Confirmed, Ladder, Prepared, Rung, check_confirmed, check_ladder, check_prepared
from compressor.records.training import TrainPlan, check_plan

SHAPE = tiny((4, 32), (2, 0), (0, 16))


def test_a_good_architecture_passes() -> None:
    assert check_architecture(SHAPE) is SHAPE
    assert check_architecture(tiny()) == tiny()


@pytest.mark.parametrize("layer", [Layer(0, 0), Layer(-1, 16), Layer(2, -1), Layer(-1, 1)])
def test_a_layer_without_width_is_refused(layer: Layer) -> None:
    with pytest.raises(BorderError, match=r"layer 1 .* has no width"):
        check_architecture(replace(SHAPE, layers=(Layer(1, 1), layer)))


@pytest.mark.parametrize("size", ["hidden", "head_size", "vocabulary", "positions", "embedding", "classes"])
def test_an_empty_table_is_refused(size: str) -> None:
    with pytest.raises(BorderError, match=f"every size of an architecture must be at least 1.*{size}=0"):
        check_architecture(replace(SHAPE, **{size: 0}))


def test_layers_with_nothing_left_are_dropped() -> None:
    shape = SHAPE.with_layers((Layer(0, 0), Layer(1, 0), Layer(0, 0), Layer(0, 16)))
    assert shape.layers == (Layer(1, 0), Layer(0, 16))
    assert replace(shape, layers=SHAPE.layers) == SHAPE


GOOD = Cut((LayerCut((0, 3), (1, 31)), LayerCut((), ()), LayerCut((), (0,))))


def test_a_good_cut_passes() -> None:
    assert check_cut(GOOD, SHAPE) is GOOD
    assert GOOD.widths() == (Layer(2, 2), Layer(0, 0), Layer(0, 1))


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (LayerCut((3, 0), ()), r"layer 0: heads must be sorted, distinct and below 4, got \(3, 0\)"),
        (LayerCut((1, 1), ()), "layer 0: heads must be sorted, distinct"),
        (LayerCut((4,), ()), "layer 0: heads must be .* below 4"),
        (LayerCut((-1, 2), ()), "layer 0: heads must be"),
        (LayerCut((), (0, 32)), "layer 0: neurons must be .* below 32"),
        (LayerCut((), (5, 4)), "layer 0: neurons must be sorted"),
    ],
)
def test_a_bad_cut_is_refused(first: LayerCut, message: str) -> None:
    with pytest.raises(BorderError, match=message):
        check_cut(Cut((first, *GOOD.layers[1:])), SHAPE)


def test_a_cut_has_one_entry_per_layer() -> None:
    with pytest.raises(BorderError, match="one entry per teacher layer: expected 3, got 2"):
        check_cut(Cut(GOOD.layers[:2]), SHAPE)


def test_a_cut_may_not_keep_what_the_teacher_lacks() -> None:
    with pytest.raises(BorderError, match=r"layer 1: neurons must be .* below 0"):
        check_cut(Cut((GOOD.layers[0], LayerCut((0,), (0,)), GOOD.layers[2])), SHAPE)


def test_op_keys_in_words() -> None:
    stem = OpKey("stem", 0, 384, 0, "", Precision.FP32, False)
    attention = OpKey("attention", 4, 384, 32, "", Precision.INT8, True)
    feed_forward = OpKey("feed_forward", 192, 384, 0, "gelu", Precision.INT8, False)
    assert [str(op) for op in (stem, attention, feed_forward)] == [
        "stem of 384, fp32",
        "attention 4 x 32 of 384, int8, first token",
        "feed_forward 192 of 384, int8",
    ]


TABLE: LatencyTable = example(LatencyTable)


def with_cost(cost: Measured) -> LatencyTable:
    return replace(TABLE, entries=(replace(TABLE.entries[0], cached=cost), *TABLE.entries[1:]))


def test_a_good_table_passes_and_finds_its_entries() -> None:
    assert check_table(TABLE) is TABLE
    assert check_table(with_cost(Measured(0.0, 0.0, 1)))
    assert [TABLE.entry(entry.op) for entry in TABLE.entries] == list(TABLE.entries)


def test_an_op_that_the_table_lacks_is_named() -> None:
    op = replace(TABLE.entries[0].op, kind="attention", width=5, head_size=32, hidden=384)
    known = r"it covers .*/fp32 at hidden \[\d+, \d+\]: measure it"
    with pytest.raises(InputError, match=f"no entry for `attention 5 x 32 of 384, fp32`; {known}"):
        TABLE.entry(op)


@pytest.mark.parametrize(
    "cost",
    [
        Measured(float("nan"), 1.0, 5),
        Measured(float("inf"), 1.0, 5),
        Measured(1.0, float("nan"), 5),
        Measured(-0.5, 1.0, 5),
        Measured(1.0, 1.0, 0),
    ],
)
def test_a_cost_that_is_no_time_is_refused(cost: Measured) -> None:
    with pytest.raises(BorderError, match=r"the cost of `.*` must be finite, at least 0 and with samples, got"):
        check_table(with_cost(cost))


def test_an_op_twice_is_refused() -> None:
    twice = (*TABLE.entries, TABLE.entries[0])
    with pytest.raises(BorderError, match="has an op twice"):
        check_table(replace(TABLE, entries=twice))


@pytest.mark.parametrize(
    ("verdict", "reasons"), [(Verdict.MET, ()), (Verdict.MISSED, (Reason.SIZE_OVER_LIMIT, Reason.LATENCY_OVER_LIMIT))]
)
def test_a_verdict_with_its_reasons_passes(verdict: Verdict, reasons: tuple[Reason, ...]) -> None:
    verification = replace(example(Verification), verdict=verdict, reasons=reasons)
    assert check_verification(verification) is verification


@pytest.mark.parametrize(
    ("verdict", "reasons"), [(Verdict.MET, (Reason.SIZE_OVER_LIMIT,)), (Verdict.INCONCLUSIVE, ())]
)
def test_a_verdict_against_its_reasons_is_refused(verdict: Verdict, reasons: tuple[Reason, ...]) -> None:
    with pytest.raises(BorderError, match="`met` exactly when there are no reasons, got"):
        check_verification(replace(example(Verification), verdict=verdict, reasons=reasons))


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], Verdict.MET),
        ([Verdict.MET, Verdict.MET], Verdict.MET),
        ([Verdict.INCONCLUSIVE, Verdict.MET], Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.UNVERIFIED], Verdict.UNVERIFIED),
        ([Verdict.UNVERIFIED, Verdict.INCONCLUSIVE, Verdict.MISSED, Verdict.MET], Verdict.MISSED),
    ],
)
def test_the_worst_verdict_decides(verdicts: list[Verdict], together: Verdict) -> None:
    assert combine(verdicts) is together


@pytest.mark.parametrize("name", ["batch", "sequence_length", "threads"])
def test_a_workload_that_no_engine_could_run(name: str) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}: expected at least 1, got 0"):
        replace(Workload(1, 8, 1), **{name: 0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"percentile": 99.6}, "--percentile: expected 50 to 99.5, the most that .* 5 minutes can prove, got 99.6"),
        ({"percentile": 49.9}, "--percentile: .* got 49.9"),
        ({"percentile": float("nan")}, "--percentile: .* got nan"),
        ({"max_accuracy_drop_points": -0.1}, "--max-accuracy-drop: expected points between 0 and 100, got -0.1"),
        ({"max_accuracy_drop_points": 101.0}, "--max-accuracy-drop: .* got 101"),
        ({"max_latency_ms": 0.0}, "--max-latency: expected more than zero, got 0 ms"),
        ({"max_latency_ms": float("nan")}, "--max-latency: .* got nan ms"),
        ({"max_size_bytes": 0}, "--max-size: expected more than zero, got 0 bytes"),
    ],
)
def test_a_budget_that_means_nothing(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Budget(**change)


@pytest.mark.parametrize("seconds", [0.0, -60.0, float("nan")])
def test_a_time_budget_that_is_none(seconds: float) -> None:
    with pytest.raises(InputError, match=f"--time-budget: expected more than zero, such as 30m, got {seconds:g} s"):
        CompressRequest("teacher", "data", time_budget_s=seconds)


def test_budgets_at_their_limits() -> None:
    assert Budget() == Budget(None, 95.0, 1.0, None)
    assert Budget(1e-3, 50.0, 0.0, 1).max_size_bytes == 1
    assert Budget(max_accuracy_drop_points=100.0).max_accuracy_drop_points == 100.0


def test_speed_up_is_over_the_compiled_teacher() -> None:
    report: Report = example(Report)
    assert report.speed_up is None
    p50_ms = report.verification.latency.summary.p50_ms
    teacher = replace(example(Row), name="teacher, fp32 compiled", p50_ms=3 * p50_ms)
    measured = replace(report, rows=(*report.rows, teacher))
    assert measured.speed_up == pytest.approx(3.0)
    other = report.rows[0]
    assert measured.speed_up_over(other.name) == pytest.approx(other.p50_ms / p50_ms)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.MET, 0), (Verdict.MISSED, 4), (Verdict.UNVERIFIED, 5), (Verdict.INCONCLUSIVE, 6)],
)
def test_exit_code_of_a_verdict(verdict: Verdict, code: int) -> None:
    assert exit_code(verdict) == code


SCORE = LayerScore(UnitScore((1, 0), (0, 2), (0.5, 0.0)), UnitScore((2, 0, 1), (0, 1, 3), (0.7, 0.2, 0.0)))
BARE = LayerScore(UnitScore((0,), (0, 1), (0.5, 0.0)), UnitScore((), (0,), (0.0,)))
SPACE = ScoredSpace((SCORE, BARE))
SCORED = tiny((2, 3), (1, 0))


def test_good_scores_pass_and_cut_the_least_important_units() -> None:
    assert check_scores(SPACE, SCORED) is SPACE
    assert SPACE.widths == SCORED.layers
    assert SPACE.cut((Layer(1, 2), Layer(0, 0))) == Cut((LayerCut((1,), (0, 2)), LayerCut((), ())))


def faulty(**changes: tuple[float, ...]) -> tuple[LayerScore, ...]:
    return (replace(SCORE, neurons=replace(SCORE.neurons, **changes)), BARE)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((SCORE,), "expected a score for each of 2 layers, got 1"),
        ((BARE, BARE), "layer 0, heads: expected an order of 2 units"),
        (faulty(order=(0, 1)), "layer 0, neurons: expected an order of 3 units"),
        (faulty(order=(0, 1, 1)), "layer 0, neurons: expected an order of 3 units"),
        (faulty(levels=(0, 3, 1)), "layer 0, neurons: expected levels that rise from 0 to 3"),
        (faulty(levels=(0, 1, 2)), "layer 0, neurons: expected levels that rise from 0 to 3"),
        (faulty(damage=(0.5, 0.0)), "layer 0, neurons: expected .* a damage for each"),
        (faulty(damage=(float("nan"), 0.0, 0.0)), "layer 0, neurons: a damage must be finite and at least 0"),
        (faulty(damage=(float("inf"), 0.0, 0.0)), "layer 0, neurons: a damage must be finite"),
        (faulty(damage=(-0.1, 0.0, 0.0)), "layer 0, neurons: a damage must be .* at least 0"),
    ],
)
def test_faulty_scores_are_refused(layers: tuple[LayerScore, ...], message: str) -> None:
    with pytest.raises(BorderError, match=message):
        check_scores(ScoredSpace(layers), SCORED)


PLAN = TrainPlan(steps=10, batch=32, learning_rate=1e-4, ranks=4, seed=0)


def test_a_plan_gives_every_rank_the_same_rows() -> None:
    assert check_plan(PLAN) is PLAN
    for change in ({"steps": 0}, {"ranks": 0}, {"batch": 2}, {"batch": 30}):
        with pytest.raises(BorderError, match="a multiple of the parts, got TrainPlan"):
            check_plan(replace(PLAN, **change))


@pytest.mark.parametrize("change", [{"device": "tpu"}, {"threads": 0}])
def test_a_plan_names_threads_and_a_known_device(change: dict[str, Any]) -> None:
    assert check_plan(replace(PLAN, device="cuda"))
    with pytest.raises(BorderError, match="expected threads >= 1 and one of the devices cpu, cuda, got TrainPlan"):
        check_plan(replace(PLAN, **change))


def test_prepared_data_has_rows_in_every_part() -> None:
    good = replace(example(Prepared), rows={"train": 1, "selection": 1, "evaluation": 1})
    assert check_prepared(good) is good
    for rows in ({"train": 1, "selection": 1}, {"train": 1, "selection": 1, "evaluation": 0}):
        with pytest.raises(BorderError, match="expected rows for training, selection and evaluation, got"):
            check_prepared(replace(good, rows=rows))


def test_a_ladder_has_one_rung_per_precision_and_knows_the_fastest() -> None:
    rungs = [replace(example(Rung), precision=precision, kept=()) for precision in Precision]
    rungs = [
        replace(r, latency=replace(r.latency, p50_ms=t, p95_ms=3.0))
        for r, t in zip(rungs, (2.0, 1.5, 1.8), strict=True)
    ]
    ladder = Ladder(tuple(rungs))
    assert check_ladder(ladder) is ladder
    assert ladder.fastest is rungs[1]
    assert ladder.fastest.tail == 2.0
    for faulty in ((), (rungs[0], rungs[0])):
        with pytest.raises(BorderError, match="expected one rung per precision, got"):
            check_ladder(Ladder(faulty))


def test_a_confirmed_student_is_of_one_piece() -> None:
    good = replace(example(Confirmed), cut=GOOD, widths=GOOD.widths(), architecture=SHAPE.with_layers(GOOD.widths()))
    assert check_confirmed(good) is good
    for change in ({"widths": (Layer(2, 2),) * 3}, {"architecture": SHAPE}):
        with pytest.raises(BorderError, match="cut, widths and architecture of a confirmed student differ"):
            check_confirmed(replace(good, **change))
