"""The closing table and its sentences: the numbers of a report as people read them."""

from dataclasses import replace

import pytest
from made_up_report import made_up_report

from compressor.records.cells import Cells, Edge
from compressor.records.promise import Budget, Reason, Verdict
from compressor.records.results import (
    COMPILED,
    EAGER,
    Report,
)
from compressor.report import HEADER, cells, markdown, plain_table, promises, provenance, verdict_line


@pytest.fixture
def report() -> Report:
    return made_up_report()


def test_a_row_has_its_numbers_and_how_much_slower_the_others_are(report: Report) -> None:
    found = {row[0]: row for row in cells(report)}
    assert all(len(row) == len(HEADER) for row in found.values())
    assert found["student"][1:] == ("89.50 (88.00 - 91.00)", "2 ms", "2.4 ms", "10.0 MB", "5.0x", "10.0x")
    assert found[COMPILED][-2:] == ("1.0x", "2.0x")
    assert found[EAGER][-2:] == ("0.5x", "1.0x")


def test_what_was_not_measured_is_a_dash(report: Report) -> None:
    assert [row[-1] for row in cells(replace(report, rows=report.rows[1:]))] == ["-", "-"]


def test_every_promise_has_its_line_with_what_was_measured(report: Report) -> None:
    latency, accuracy, numerics = promises(report)
    assert latency == (
        "latency met: 98.10 % of runs within 2.5 ms (at 99 % confidence at least 97.30 %, promised 95 %; batch 1, "
        "length 56, 2 thread(s); 5000 runs in 3 processes, worth 97 independent ones, 10.5 s, 12.5 % of the time "
        "disturbed)"
    )
    assert accuracy == (
        "accuracy met: accuracy drops by 0.75 points (95 % interval -0.20 to 1.70; allowed 1; 1821 untruncated rows "
        "of `test`, read 1 time(s))"
    )
    assert numerics == "numerics met: emitted graph within 2.0e-06 of torch"


def test_a_promise_that_was_not_made_is_not_shown(report: Report) -> None:
    check = replace(report.verification, latency=replace(report.verification.latency, limit_ms=None))
    assert promises(replace(report, verification=check))[0].startswith("latency: no limit; p95 2.4 ms (batch 1")
    sized = replace(report, budget=Budget(max_latency_ms=2.5, max_size_bytes=20_000_000))
    assert promises(sized)[3] == "size met: 10.0 MB of 20.0 MB"


def test_the_verdict_says_why_not(report: Report) -> None:
    shipped = ". Shipped: student, int8, heads/neurons per layer 4/192 0/96, hidden 384"
    assert verdict_line(report) == "met: every promise is kept" + shipped
    reasons = (Reason.LATENCY_OVER_LIMIT, Reason.SIZE_OVER_LIMIT)
    missed = replace(report.verification, verdict=Verdict.MISSED, reasons=reasons)
    expected = "missed: latency over the limit, size over the limit" + shipped
    assert verdict_line(replace(report, verification=missed)) == expected


def test_the_verdict_says_the_widths_of_what_ships(report: Report) -> None:
    shape = report.architecture
    assert shape is not None
    narrow = replace(report, architecture=replace(shape, hidden=192, activation="relu"))
    assert verdict_line(narrow).endswith("heads/neurons per layer 4/192 0/96, hidden 192, relu")
    cells = Cells(((Edge(0, "lstm"),),), 3, "max-pooling")
    stack = replace(report, architecture=replace(shape, layers=(), hidden=128, cells=cells))
    assert verdict_line(stack).endswith("int8, cells 3 x [lstm(0)], max-pooling, width 128")


def test_a_teacher_without_an_adapter_has_no_widths_to_show(report: Report) -> None:
    line = verdict_line(replace(report, architecture=None, teacher_layers=()))
    assert line == "met: every promise is kept. Shipped: student, int8, as exported (its family has no adapter)"


def test_the_provenance_says_where_when_and_for_whom(report: Report) -> None:
    assert provenance(report) == (
        "Measured on a CPU (4 cores), 2026-01-02T03:04:05+00:00, 2 thread(s); 1.2 % of the evaluation inputs are "
        "longer than 56 tokens (p95 41); took 1m15s."
    )


def test_markdown_is_a_table_with_verdict_and_promises(report: Report) -> None:
    lines = markdown(report).splitlines()
    assert lines[0] == f"**{verdict_line(report)}**"
    assert [line[2:] for line in lines if line.startswith("- ")] == promises(report)
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {len(HEADER) + 1}
    assert len(table) == 2 + len(report.rows)
    assert lines[-1] == provenance(report)


def test_columns_are_aligned_without_trailing_blanks() -> None:
    text = plain_table(("a", "long name"), [("wide cell", "x"), ("y", "z")])
    assert text == "a          long name\nwide cell  x\ny          z"
