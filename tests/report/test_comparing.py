"""Runs beside each other: differences, and conditions under which there are none to be told."""

from dataclasses import replace

import pytest
from made_up_report import made_up_report

from compressor.records.evidence import Evidence
from compressor.records.results import COMPILED, Report
from compressor.report import COMPARISON_HEADER, Run, comparison_cells, comparison_markdown, differences, distinct

HEAD = made_up_report()


def run(name: str, report: Report = HEAD) -> Run:
    return Run(name, report, Evidence())


def changed(**own: object) -> Report:
    """The report with another row of what ships."""
    rows = tuple(replace(row, **own) if row.name == HEAD.chosen else row for row in HEAD.rows)
    return replace(HEAD, rows=rows)


def cells(*runs: Run) -> list[dict[str, str]]:
    return [dict(zip(COMPARISON_HEADER, row, strict=True)) for row in comparison_cells(runs)]


def test_differences_are_from_the_first() -> None:
    other = changed(accuracy_points=90.0, p95_ms=1.8, size_bytes=12_000_000)
    first, second = cells(run("a"), run("b", other))
    assert [value for name, value in first.items() if "against" in name] == ["-", "-", "-"]
    assert second["accuracy against the first"] == "+0.50"
    assert second["p95 against the first"] == "-25.0 %"
    assert second["size against the first"] == "+20.0 %"
    assert (first["run"], second["what ships"], second["verdict"]) == ("a", "student", "met")


@pytest.mark.parametrize(
    ("changes", "name", "told"),
    [
        ({"device": "a board"}, "p95", "The device is not the same, so that latencies cannot be compared."),
        ({"cores": 2}, "p95", "The device is not the same"),
        ({"workload": replace(HEAD.workload, batch=8)}, "p95", "The workload is not the same"),
        (
            {"task": replace(HEAD.task, metric="f1")},
            "accuracy",
            "The metric is not the same, so that accuracies cannot be compared. a: accuracy on `test`; b: f1 on",
        ),
        ({"task": replace(HEAD.task, eval_split="dev")}, "accuracy", "The metric is not the same"),
    ],
)
def test_what_was_measured_otherwise_has_no_difference(changes: dict[str, object], name: str, told: str) -> None:
    runs = [run("a"), run("b", replace(HEAD, **changes))]  # type: ignore[arg-type]
    _, second = cells(*runs)
    assert [key for key, value in second.items() if value == "-"] == [f"{name} against the first"]
    (line,) = differences(runs)
    assert line.startswith(told)


def test_runs_under_the_same_conditions_have_no_warning() -> None:
    assert list(differences([run("a"), run("b", replace(HEAD, chosen=COMPILED, seed=3))])) == []


def test_names_are_numbers_where_they_are_not_distinct() -> None:
    assert [each.name for each in distinct([run("a"), run("b")])] == ["a", "b"]
    assert [each.name for each in distinct([run("bundle"), run("other"), run("bundle")])] == ["1", "2", "3"]


def test_markdown_has_the_table_the_warnings_and_every_run() -> None:
    text = comparison_markdown([run("new|er"), run("old", replace(HEAD, cores=2))])
    lines = text.splitlines()
    assert lines[0] == "| " + " | ".join(COMPARISON_HEADER) + " |"
    assert lines[2].startswith("| new\\|er | student | met | 89.50 (88.00 - 91.00) | - | 2.4 ms | - |")
    assert "**The device is not the same" in text
    assert [line for line in lines if line.startswith("## ")] == ["## new|er", "## old"]
    assert text.count("**met: every promise is kept") == 2
