"""What the page of a report shows beside the report, gathered from the records of the run."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from compressor.latency import model_bytes, operations
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture, OpKey
from compressor.records.cells import IDENTITY
from compressor.records.evidence import (
    TRAINING,
    CostCurve,
    Evidence,
    PartCost,
    TrainingCurve,
    TrialPoint,
    check_evidence,
)
from compressor.records.latency import LatencyTable, TableEntry
from compressor.records.serial import from_dict
from compressor.records.stages import Candidate, Comparison, Prepared
from compressor.report.latency import UNITS, op_name
from compressor.search import Solution


def gather(bench: Workbench, prepared: Prepared, candidate: Candidate, comparison: Comparison) -> Evidence:
    """Trials from the journal; the engine's parts and the curves from the table of what was cut."""
    found = Evidence(
        lower_bound_ms=prepared.lower_bound_ms,
        trials=tuple(_trials(bench)),
        lengths=comparison.lengths,
        batches=comparison.batches,
    )
    if (student := candidate.student) is not None:
        table = bench.run.load(f"table{student.table}", LatencyTable)
        found = replace(
            found,
            parts=tuple(_parts(table, student.architecture)),
            curves=tuple(_curves(table)),
            trainings=tuple(_trainings(bench)),
        )
    return check_evidence(found)


def _trials(bench: Workbench) -> Iterator[TrialPoint]:
    for line in bench.run.measurements("search", "trial"):
        solution = from_dict(Solution, line["solution"])
        yield TrialPoint(solution.in_words, line["predicted_ms"], line["latency"]["p50_ms"])


def _trainings(bench: Workbench) -> Iterator[TrainingCurve]:
    """One per student: a run that was killed behind a training writes its curve down again."""
    last = {line["student"]: line for line in bench.run.measurements("distil", TRAINING)}
    for line in last.values():
        curve = TrainingCurve(line["student"], tuple(line["steps"]), tuple(line["losses"]))
        if curve.steps:
            yield curve


def _parts(table: LatencyTable, shape: Architecture) -> Iterator[PartCost]:
    """Every op with its layer's number."""
    share = table.calibration.uncached_share(model_bytes(table, shape))
    for place, op in zip(_places(shape), operations(shape, table.precision), strict=True):
        width = f", {op.width} {UNITS[op.kind]}" if op.width else ""
        cost = table.calibration.scale * table.cost(op, share).value_us
        yield PartCost(f"{place}{op_name(op)}{width}", cost)


def _places(shape: Architecture) -> Iterator[str]:
    """Where each op is."""
    yield ""
    for number, layer in enumerate(shape.layers, 1):
        yield from (f"layer {number}: " for width in (layer.heads, layer.neurons) if width)
    if shape.cells is None:
        return
    for number in range(1, shape.cells.stacked + 1):
        for place, node in enumerate(shape.cells.nodes, 1):
            blocks = [edge for edge in node if edge.block != IDENTITY]
            yield from (f"cell {number}, node {place}: " for _ in (*blocks, "join"))
    yield from ("",) if shape.cells.aggregation else ()


def _curves(table: LatencyTable) -> Iterator[CostCurve]:
    """One per op that has a width."""

    def family(entry: TableEntry) -> OpKey:
        return replace(entry.op, width=0)

    entries = sorted(table.entries, key=lambda entry: (op_name(entry.op), str(family(entry)), entry.op.width))
    for op, group in groupby((entry for entry in entries if entry.op.width), key=family):
        found = list(group)
        yield CostCurve(
            name=op_name(op),
            unit=UNITS[op.kind],
            widths=tuple(entry.op.width for entry in found),
            costs_us=tuple(entry.cached.value_us for entry in found),
            errors_us=tuple(entry.cached.standard_error_us for entry in found),
        )
