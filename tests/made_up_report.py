"""A report with made-up numbers, for tests of what people see."""

from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Budget, Verdict, Workload
from compressor.records.results import (
    COMPILED,
    EAGER,
    AccuracyResult,
    LatencyResult,
    NumericsResult,
    Report,
    Row,
    SizeResult,
    StageTime,
    Verification,
)
from compressor.records.task import TaskSpec


def made_up_report() -> Report:
    """A student at 2.5 ms that keeps every promise, beside its teacher in PyTorch and compiled."""
    summary = LatencySummary(2.0, 2.2, 2.4, 3.0, samples=5000, processes=3, disturbed_share=0.125)
    verification = Verification(
        LatencyResult(summary, 2.5, 0.981, 0.973, 0.989, 97.4, 0, 10.5, Verdict.MET),
        AccuracyResult("accuracy", 89.5, 88.0, 91.0, 0.75, -0.2, 1.7, 0.97, 1821, Verdict.MET),
        NumericsResult(2e-6, 1e-3, 0.0, 1821, Verdict.MET),
        SizeResult(9_500_000, 500_000, Verdict.MET),
        Verdict.MET,
        (),
    )
    rows = (
        Row(EAGER, 90.25, 89.0, 91.5, 20.0, 22.0, 90_000_000),
        Row(COMPILED, 90.25, 89.0, 91.5, 10.0, 11.0, 89_000_000),
        Row("student", 89.5, 88.0, 91.0, 2.0, 2.4, 10_000_000),
    )
    return Report(
        version="0",
        date="2026-01-02T03:04:05+00:00",
        teacher="teacher",
        data="data",
        target="cpu",
        device="a CPU",
        cores=4,
        task=TaskSpec("text-classification", ("sentence",), "label", ("a", "b"), "accuracy", "test"),
        budget=Budget(max_latency_ms=2.5),
        workload=Workload(1, 56, 2),
        chosen="student",
        precision=Precision.INT8,
        architecture=Architecture((Layer(4, 192), Layer(0, 96)), 384, 32, 100, 512, 2, 2),
        teacher_layers=(Layer(12, 1536),) * 6,
        options=CompileOptions(2),
        predicted_ms=2.0,
        rows=rows,
        verification=verification,
        lengths={"share_longer": 0.012, "p95": 41.0},
        stages=(StageTime("prepare", 5.0, False), StageTime("distil", 70.0, False)),
        evaluation_reads=1,
        seed=0,
    )
