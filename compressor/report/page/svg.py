"""Figures as SVG that takes the page's colours and says its values when pointed at."""

import io
import re
from collections.abc import Callable
from functools import wraps
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec

from compressor.records.units import format_ms
from compressor.report.drawing import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

# Stand-ins that `as_svg` replaces by the page's own colours, which change between light and dark.
INK, GRID = "#010203", "#040506"
WIDTH = 5.6  # inches: narrow enough that text can be read on a phone
WIDEST_REM = 46
OURS, TEACHER, LIMIT, FORBIDDEN = "#12876f", "#8a6fc9", "#d1603d", "#d1603d"
LAYOUT: dict[Any, Any] = {"axes.edgecolor": GRID, "grid.color": GRID, "axes.labelcolor": INK, "text.color": INK}
LAYOUT |= {"font.size": 10.0, "xtick.color": INK, "ytick.color": INK, "axes.titlecolor": INK}


def as_svg(figure: "Figure", *, name: str, description: str) -> str:
    """The figure as one element to put into a page.

    Args:
        figure: Its artists whose gid begins with `tip:` say the rest of it when pointed at.
        name: Makes its identifiers different from those of other figures.
        description: For those who do not see it.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="tip:([^"]*)">', r"<g><title>\1</title>", svg)
    svg = re.sub(r'(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    widest = f"max-width: {WIDEST_REM * figure.get_figwidth() / WIDTH:.0f}rem"
    return svg.replace("<svg", f'<svg role="img" style="{widest}" aria-label="{escape(description, quote=True)}"', 1)


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """A figure of this size in inches, and its panels row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def styled(make: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Draws in the style of all pictures, with stand-ins for the page's colours."""

    @wraps(make)
    def drawn(*arguments: P.args, **more: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context({**STYLE, **LAYOUT}):
            return make(*arguments, **more)

    return drawn


def tip(text: str) -> str:
    """The gid of an artist that says this when pointed at."""
    return f"tip:{text}"


def upright(axes: "Axes", value_ms: float, name: str, colour: str, *, dashed: bool = False) -> None:
    """A line at a latency, with its name beside its upper end."""
    axes.axvline(
        value_ms,
        color=colour,
        linestyle="--" if dashed else "-",
        linewidth=1.2,
        gid=tip(f"{name} {format_ms(value_ms)}"),
    )
    axes.annotate(
        name,
        (value_ms, 0.97),
        xycoords=("data", "axes fraction"),
        color=colour,
        rotation=90,
        ha="right",
        va="top",
        fontsize=8,
    )
