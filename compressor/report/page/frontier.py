"""Accuracy against latency: every model that was measured, the best of them, the limits, and what is out of reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compressor.records.promise import Budget
from compressor.records.results import Row
from compressor.records.units import format_ms
from compressor.report.comparing import ACCURACIES, LATENCIES, Run, comparable
from compressor.report.page.svg import FORBIDDEN, INK, LIMIT, OURS, TEACHER, WIDTH, new_figure, styled, tip, upright

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENTILE = 95.0  # of the latency that a row has


@dataclass(frozen=True)
class Point:
    """A model in the picture.

    Attributes:
        name: Of the model, behind that of its run where that is not clear.
        row: What was measured of it.
        ships: It is in the bundle.
    """

    name: str
    row: Row
    ships: bool


@dataclass(frozen=True)
class Frontier:
    """What the picture shows.

    Attributes:
        points: Every model once.
        front: Those that no other is both faster and more accurate than, the fastest first; empty where the models
            were not measured under the same conditions.
        limits: Latency in ms, and the percent of runs that it was promised for.
        bound_ms: What no student is faster than; None = not known, or not the same in all runs.
        metrics: Of the accuracies.
    """

    points: tuple[Point, ...]
    front: tuple[Point, ...]
    limits: tuple[tuple[float, float], ...]
    bound_ms: float | None
    metrics: tuple[str, ...]

    @property
    def caption(self) -> str:
        """What is to be seen, and nothing that is not drawn."""
        kept = f"the latency that {PERCENTILE:g} % of its runs keep"
        parts = [f"Each model at {kept}, with the 95 % interval of its accuracy."]
        if len(self.front) > 1:
            parts.append("The line joins those that no other is both faster and more accurate than.")
        if self.limits:
            parts.append(f"{'The dashed line is the limit' if len(self.limits) == 1 else 'Dashed lines are limits'}.")
        if self.bound_ms is not None:
            parts.append("In the shaded part no student is fast enough.")
        return " ".join(parts)


def frontier_of(runs: Sequence[Run]) -> Frontier:
    """Of one run, or of several beside each other."""
    first = runs[0].report
    fair = all(comparable(run.report, first, what) for run in runs for what in (LATENCIES, ACCURACIES))
    points = _points(runs, alike=fair and all(run.report.teacher == first.teacher for run in runs))
    bounds = {run.evidence.lower_bound_ms for run in runs}
    return Frontier(
        points=points,
        front=front_of(points) if fair else (),
        limits=tuple(dict.fromkeys(limit for run in runs for limit in _limits(run.report.budget))),
        bound_ms=bounds.pop() if len(bounds) == 1 else None,
        metrics=tuple(dict.fromkeys(run.report.task.metric for run in runs)),
    )


def _limits(budget: Budget) -> list[tuple[float, float]]:
    """The limit, if there is one."""
    return [] if budget.max_latency_ms is None else [(budget.max_latency_ms, budget.percentile)]


def _points(runs: Sequence[Run], *, alike: bool) -> tuple[Point, ...]:
    """Of runs that are alike the first shows the teacher for all; then only what ships needs the name of its run."""
    points = []
    for place, run in enumerate(runs):
        for row in run.report.rows:
            ships = row.name == run.report.chosen
            named = len(runs) > 1 and (ships or not alike)
            if ships or not alike or place == 0:
                points.append(Point(f"{run.name}: {row.name}" if named else row.name, row, ships))
    return tuple(points)


def front_of(points: Sequence[Point]) -> tuple[Point, ...]:
    """The Pareto front: every model that is more accurate than all that are as fast, the fastest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda each: (each.row.p95_ms, -each.row.accuracy_points)):
        if not front or point.row.accuracy_points > front[-1].row.accuracy_points:
            front.append(point)
    return tuple(front)


@styled
def frontier(found: Frontier) -> "Figure":
    """The picture; latency to the right on a logarithmic axis, the metric upwards."""
    figure, (axes,) = new_figure(WIDTH, 3.4)
    if len(found.front) > 1:
        _draw_front(axes, found.front)
    for place, point in enumerate(found.points):
        _dot(axes, point, above=place % 2 == 0)
    axes.set_xscale("log")
    for limit_ms, percentile in found.limits:
        name = "limit" if percentile == PERCENTILE else f"limit of p{percentile:g}"
        upright(axes, limit_ms, name, LIMIT, dashed=True)
    low, high = axes.get_xlim()
    if found.bound_ms is not None:
        low = min(low, 0.7 * found.bound_ms)
        axes.axvspan(
            low,
            found.bound_ms,
            color=FORBIDDEN,
            alpha=0.12,
            linewidth=0,
            gid=tip("no student is as fast as this"),
        )
    axes.set_xlim(low, 1.8 * high)
    _plain_ticks(axes)
    axes.set_xlabel(f"{PERCENTILE:g} % of runs take at most, ms")
    axes.set_ylabel(f"{' / '.join(found.metrics)}, points")
    return figure


def _draw_front(axes: "Axes", front: Sequence[Point]) -> None:
    """A staircase: up to the next model, nothing is more accurate than the one before."""
    axes.plot(
        [point.row.p95_ms for point in front],
        [point.row.accuracy_points for point in front],
        drawstyle="steps-post",
        color=INK,
        alpha=0.5,
        linewidth=1.0,
        gid=tip("no other model is both faster and more accurate"),
    )


def _dot(axes: "Axes", point: Point, *, above: bool) -> None:
    row, colour = point.row, OURS if point.ships else TEACHER
    errors = [[row.accuracy_points - row.accuracy_low], [row.accuracy_high - row.accuracy_points]]
    axes.errorbar(row.p95_ms, row.accuracy_points, yerr=errors, color=colour, capsize=3, linewidth=1.2)
    words = f"{point.name}: {row.accuracy_points:.2f} points, {PERCENTILE:g} % of runs within {format_ms(row.p95_ms)}"
    axes.plot(row.p95_ms, row.accuracy_points, "o", color=colour, markersize=7, gid=tip(words))
    place = (7, 5 if above else -13)  # neighbours do not write over each other
    axes.annotate(point.name, (row.p95_ms, row.accuracy_points), xytext=place, textcoords="offset points", fontsize=9)


def _plain_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
