"""A family of engines as a table and as a picture."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_report import made_up_report

from compressor.errors import BorderError
from compressor.records.family import Family, Member, check_family
from compressor.report import FAMILY_HEADER, draw_family, family_cells
from compressor.report.family import family_figure


@pytest.fixture
def family() -> Family:
    high = made_up_report()
    low = replace(
        high, rows=(*high.rows[:2], replace(high.rows[2], accuracy_points=86.0, accuracy_low=84.5, p95_ms=1.2))
    )
    return Family(
        (
            Member(2.5, 0, "2.5ms", high),
            Member(1.25, 4, "1.25ms", low),
            Member(0.001, 3, None, None, "the smallest student takes 20 us"),
        )
    )


def test_a_line_per_limit(family: Family) -> None:
    rows = family_cells(family)
    assert [len(row) for row in rows] == [len(FAMILY_HEADER)] * 3
    assert rows[0] == ("2.5 ms", "2.4 ms", "student", "89.50 (88.00 - 91.00)", "0.75", "5.0x", "met", "2.5ms")
    assert rows[1][:4] == ("1.25 ms", "1.2 ms", "student", "86.00 (84.50 - 91.00)")
    assert rows[2][0] == "1 us"
    assert rows[2][-2:] == ("infeasible", "-")


def test_the_picture_has_every_engine_the_teacher_and_the_limits(family: Family, tmp_path: Path) -> None:
    axes = family_figure(family).axes[0]
    lines = {
        tuple(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))
        for line in axes.get_lines()
    }
    assert {((2.4, 89.5), (1.2, 86.0)), ((11.0, 90.25),)} <= lines
    assert {((limit, 0.0), (limit, 1.0)) for limit in (2.5, 1.25, 0.001)} <= lines
    draw_family(family, tmp_path / "frontier.svg")
    text = (tmp_path / "frontier.svg").read_text(encoding="utf-8")
    assert "teacher, compiled" in text
    assert "accuracy on test, points" in text


def test_limits_fall_and_bundles_have_reports(family: Family) -> None:
    assert check_family(family) is family
    with pytest.raises(BorderError, match="from high to low"):
        check_family(Family(family.members[::-1]))
    with pytest.raises(BorderError, match="from high to low"):
        check_family(Family(()))
    with pytest.raises(BorderError, match="a report exactly where"):
        check_family(Family((replace(family.members[0], report=None),)))
