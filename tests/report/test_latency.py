"""Latency tables in words: every entry, its unit, and what is estimated is called so."""

from dataclasses import replace

from made_up_tables import conditions, made_up_table

from compressor.records.architecture import OpKey, Precision
from compressor.records.latency import CompileOptions
from compressor.report.latency import op_name, shape_in_words, summary_line, table_lines

TABLE = made_up_table(conditions(precision=Precision.INT8))


def test_a_line_for_every_entry_with_both_costs_their_errors_and_samples() -> None:
    title, text = table_lines(TABLE, None)
    header, *rows = text.splitlines()
    assert title == "int8, batch 1, length 8, 1 thread(s); fake 1"
    assert header.split("  ")[0] == "op"
    assert len(rows) == len(TABLE.entries)
    row = next(row for row in rows if row.startswith("feed-forward  ") and " 48 neurons " in row)
    assert row.split() == ["feed-forward", "48", "neurons", "6.80", "0.068", "30", "13.60", "0.136", "12"]


def test_entries_of_an_op_stand_together_by_rising_width() -> None:
    rows = table_lines(TABLE, None)[1].splitlines()[1:]
    widths = [int(row.split()[1]) for row in rows if row.startswith("attention  ")]
    assert widths == [1, 2, 3]
    names = [row.split("  ")[0] for row in rows]
    assert names == sorted(names)


def test_options_that_are_not_the_default_stand_in_the_title() -> None:
    slow = replace(TABLE, options=CompileOptions(1, ("SkipLayerNormFusion",)))
    assert table_lines(slow, None)[0].endswith("; fake 1 without SkipLayerNormFusion")


def test_an_estimate_says_so_in_every_line_and_has_no_samples() -> None:
    title, notice, text = table_lines(replace(TABLE, source="estimated"), "from data sheets")
    assert title.startswith("ESTIMATED, not measured: int8")
    assert notice == "from data sheets"
    rows = text.splitlines()[1:]
    assert all(row.startswith("ESTIMATED ") for row in rows)
    assert all(row.split()[-1] == "-" for row in rows)
    assert summary_line(replace(TABLE, source="estimated"), reused=False).startswith("ESTIMATED, not measured")


def test_the_summary_says_where_a_table_comes_from() -> None:
    assert summary_line(TABLE, reused=False) == "int8, batch 1, length 8, 1 thread(s): 13 ops, measured in 1.5s"
    assert summary_line(TABLE, reused=True).endswith("13 ops, there already")


def test_names_of_ops_and_shapes() -> None:
    stem = OpKey("stem", 0, 16, 0, "", Precision.FP32, True)
    assert op_name(stem) == "embeddings, head and call"
    assert op_name(replace(stem, kind="attention")) == "attention, first token only"
    assert shape_in_words(TABLE.teacher) == "2 layers of 3 heads and 48 neurons, hidden 16"
