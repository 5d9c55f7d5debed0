"""The picture of accuracy against latency: what is on the front, what is drawn, and that the words say no more."""

from dataclasses import replace

from made_up_report import made_up_report

from compressor.records.evidence import Evidence
from compressor.records.promise import Budget
from compressor.records.results import COMPILED, EAGER, Report, Row
from compressor.report import Run
from compressor.report.page.frontier import Point, front_of, frontier, frontier_of

HEAD = made_up_report()


def point(name: str, p95_ms: float, accuracy: float) -> Point:
    """With a median that would put it elsewhere."""
    return Point(name, Row(name, accuracy, accuracy - 1, accuracy + 1, 100 - p95_ms, p95_ms, 1), ships=False)


def run(name: str = "", report: Report = HEAD, *, bound_ms: float | None = None) -> Run:
    return Run(name, report, Evidence(bound_ms))


def texts(found: Run) -> list[str]:
    return [text.get_text() for text in frontier(frontier_of([found])).axes[0].texts]


def test_the_front_has_what_no_other_beats() -> None:
    found = [
        point("slow and good", 9.0, 90.0),
        point("fast and bad", 1.0, 80.0),
        point("beaten in both", 5.0, 85.0),
        point("middle", 4.0, 88.0),
        point("as fast but worse", 4.0, 87.0),
        point("slower and no better", 12.0, 90.0),
    ]
    assert [each.name for each in front_of(found)] == ["fast and bad", "middle", "slow and good"]


def test_models_stand_at_the_latency_that_most_of_their_runs_keep() -> None:
    axes = frontier(frontier_of([run()])).axes[0]
    at = {text.get_text(): text.xy for text in axes.texts}
    assert at["student"] == (2.4, 89.5)
    assert at[COMPILED] == (11.0, 90.25)
    assert "95 % of runs" in axes.get_xlabel()
    (stairs,) = (line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(stairs.get_xdata()) == [2.4, 11.0]


def test_only_what_is_drawn_is_said() -> None:
    whole = frontier_of([run(bound_ms=0.5)])
    assert "The dashed line is the limit." in whole.caption
    assert "In the shaded part" in whole.caption
    assert "The line joins those" in whole.caption
    free = frontier_of([run(report=replace(HEAD, budget=Budget()))])
    assert "limit" not in free.caption
    assert "shaded" not in free.caption
    assert "limit" not in texts(run(report=replace(HEAD, budget=Budget())))
    alone = frontier_of([run(report=replace(HEAD, rows=HEAD.rows[-1:]))])
    assert "The line joins" not in alone.caption


def test_a_limit_of_another_percentile_says_so() -> None:
    assert "limit" in texts(run())
    assert "limit of p99" in texts(run(report=replace(HEAD, budget=Budget(2.5, 99.0))))


def test_runs_that_are_alike_share_the_teacher() -> None:
    lower = replace(HEAD, budget=Budget(1.25))
    found = frontier_of([run("2.5ms", bound_ms=0.3), run("1.25ms", lower, bound_ms=0.3)])
    assert [each.name for each in found.points] == [EAGER, COMPILED, "2.5ms: student", "1.25ms: student"]
    assert found.limits == ((2.5, 95.0), (1.25, 95.0))
    assert "Dashed lines are limits." in found.caption
    assert found.bound_ms == 0.3


def test_runs_that_are_not_alike_are_shown_whole_and_have_no_front() -> None:
    found = frontier_of([run("a", bound_ms=0.3), run("b", replace(HEAD, cores=2), bound_ms=0.4)])
    assert len(found.points) == 2 * len(HEAD.rows)
    assert all(each.name.startswith(("a: ", "b: ")) for each in found.points)
    assert found.front == ()
    assert found.bound_ms is None


def test_other_teachers_are_shown_too() -> None:
    found = frontier_of([run("a"), run("b", replace(HEAD, teacher="another"))])
    assert len(found.points) == 2 * len(HEAD.rows)
    assert len(found.front) > 1
