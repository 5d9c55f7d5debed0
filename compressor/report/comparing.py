"""Runs beside each other: what they differ in, and which of their numbers can be compared at all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from compressor.records.evidence import Evidence
from compressor.records.results import Report
from compressor.records.units import format_bytes, format_ms
from compressor.report.table import markdown, markdown_table

COMPARISON_HEADER = (
    *("run", "what ships", "verdict", "accuracy", "accuracy against the first"),
    *("p95", "p95 against the first", "size", "size against the first"),
)
LATENCIES, ACCURACIES = "latencies", "accuracies"
# What must be the same, by its name, and the numbers that can be compared only then.
CONDITIONS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "workload": (LATENCIES, lambda report: report.workload.in_words),
    "device": (LATENCIES, lambda report: f"{report.device} ({report.cores} cores)"),
    "metric": (ACCURACIES, lambda report: f"{report.task.metric} on `{report.task.eval_split}`"),
}


@dataclass(frozen=True)
class Run:
    """One of several runs.

    Attributes:
        name: Of its folder.
        report: What was promised and found.
        evidence: What was measured on the way there.
        folder: Of its bundle.
    """

    name: str
    report: Report
    evidence: Evidence
    folder: str = ""


def distinct(runs: Sequence[Run]) -> list[Run]:
    """The runs under names that differ: where two folders have the same, all are numbered."""
    if len({run.name for run in runs}) == len(runs):
        return list(runs)
    return [replace(run, name=str(number)) for number, run in enumerate(runs, 1)]


def comparable(one: Report, other: Report, what: str) -> bool:
    """Whether their `LATENCIES` or `ACCURACIES` were measured under the same conditions."""
    return all(value(one) == value(other) for of, value in CONDITIONS.values() if of == what)


def differences(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each condition in which runs differ."""
    for name, (of, value) in CONDITIONS.items():
        values = [value(run.report) for run in runs]
        if len(set(values)) > 1:
            told = "; ".join(f"{run.name}: {found}" for run, found in zip(runs, values, strict=True))
            yield f"The {name} is not the same, so that {of} cannot be compared. {told}"


def comparison_cells(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """A row of text per run, in the order of `COMPARISON_HEADER`, with its differences from the first."""
    first = runs[0].report
    return [_cells(run, first, is_first=place == 0) for place, run in enumerate(runs)]


def _cells(run: Run, first: Report, *, is_first: bool) -> tuple[str, ...]:
    own, other = run.report.shipped, first.shipped
    points, slower, larger = "-", "-", "-"
    if not is_first:
        larger = _percent(own.size_bytes, other.size_bytes)
        if comparable(run.report, first, ACCURACIES):
            points = f"{own.accuracy_points - other.accuracy_points:+.2f}"
        if comparable(run.report, first, LATENCIES):
            slower = _percent(own.p95_ms, other.p95_ms)
    return (
        run.name,
        own.name,
        str(run.report.verification.verdict),
        f"{own.accuracy_points:.2f} ({own.accuracy_low:.2f} - {own.accuracy_high:.2f})",
        points,
        format_ms(own.p95_ms),
        slower,
        format_bytes(own.size_bytes),
        larger,
    )


def _percent(own: float, other: float) -> str:
    return f"{100 * (own / other - 1):+.1f} %"


def comparison_markdown(runs: Sequence[Run]) -> str:
    """The table of all, what stands against comparing them, and each by itself."""
    parts = [markdown_table(COMPARISON_HEADER, comparison_cells(runs)), *(f"**{line}**" for line in differences(runs))]
    parts += [f"## {run.name}\n\n{markdown(run.report)}" for run in runs]
    return "\n\n".join(parts)
