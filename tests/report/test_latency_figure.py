"""The picture of latency tables: what is drawn is what the tables say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_tables import WORKLOAD, conditions, made_up_table

from compressor.records.architecture import Precision
from compressor.records.latency import LatencyTable
from compressor.report.latency_figure import COLOURS, draw_tables, latency_figure

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

LENGTHS = (8, 12)
TABLES = [
    made_up_table(replace(conditions(precision=precision), workload=replace(WORKLOAD, sequence_length=length)))
    for length in LENGTHS
    for precision in Precision
]
OPS = ["attention", "feed-forward", "attention\nfirst token only", "feed-forward\nfirst token only"]


def panels(tables: list[LatencyTable], **words: Any) -> list[Any]:
    return list(latency_figure(tables, device="Pocket 100", **words).axes)


def test_a_panel_per_op_and_length_with_units_on_its_axes() -> None:
    found = panels(TABLES)
    assert len(found) == 5 * len(LENGTHS)
    assert [panel.get_title() for panel in found[:2]] == ["length 8", "length 12"]
    labels = [panel.get_ylabel() for panel in found[::2]]
    assert labels == [f"{op}\ncost (µs)" for op in (*OPS, "embeddings\nhead and call")]
    assert [panel.get_xlabel() for panel in found[:8:2]] == ["heads", "neurons"] * 2


def test_the_lines_and_error_bars_are_the_costs_and_standard_errors() -> None:
    for precision in Precision:
        lines = [bars for bars in panels(TABLES)[0].containers if bars.lines[0].get_color() == COLOURS[precision]]
        assert len(lines) == 2  # cached, uncached
        for bars, factor, share in zip(lines, (1, 2), (0.01, 0.02), strict=True):
            points, _, (errors,) = bars.lines
            assert list(points.get_xdata()) == [1, 2, 3]
            costs = [2.1, 2.2, 2.3]
            assert list(points.get_ydata()) == pytest.approx([factor * cost for cost in costs])
            spans = [high[1] - low[1] for low, high in errors.get_segments()]
            assert spans == pytest.approx([2 * share * cost for cost in costs])


def test_what_has_no_width_is_a_bar() -> None:
    bars = [container for container in panels(TABLES)[-1].containers if hasattr(container, "patches")]
    assert [bar.patches[0].get_height() for bar in bars] == pytest.approx([2.0, 4.0] * len(Precision))


def test_an_estimate_is_called_so_in_title_and_legend() -> None:
    estimates = [replace(table, source="estimated") for table in TABLES]
    figure = latency_figure(estimates, device="a T4", notice="off by 30 %")
    assert figure.get_suptitle().startswith("ESTIMATED latency, nothing measured: a T4")
    assert figure.get_suptitle().endswith("off by 30 %")
    assert all(text.get_text().startswith("ESTIMATED ") for text in figure.legends[0].get_texts())
    assert "ESTIMATED" not in latency_figure(TABLES, device="here").get_suptitle()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_nothing_is_cut_off(count: int) -> None:
    tables = [
        replace(table, workload=replace(WORKLOAD, sequence_length=8 + index), source="estimated")
        for index in range(count)
        for table in TABLES[:2]
    ]
    notice = "estimated from data sheets; how far the same estimator is off on this CPU was not measured"
    figure = latency_figure(tables, device="Long Name 9R14 96-Core Processor with Graphics", notice=notice)
    figure.draw_without_rendering()
    assert len(figure.texts) == 1  # the title
    for drawn in (*figure.texts, *figure.legends, *figure.axes):
        box = drawn.get_tightbbox()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1


def test_the_same_tables_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw_tables(TABLES, tmp_path / name, device="Pocket 100")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "Measured latency: Pocket 100, fake 1" in (tmp_path / "one.svg").read_text()
    draw_tables(TABLES, tmp_path / "three.png", device="Pocket 100")
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")
