"""What all pictures share: their style, and how they are saved."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import UnavailableError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 130  # of a .png
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "svg.hashsalt": "compressor",  # the same tables give the same file
}


def save_picture(make: "Callable[[], Figure]", path: Path) -> None:
    """Draw to a file; the end of its name says the format, .svg or .png.

    Raises:
        UnavailableError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"the picture needs {error.name}, which is not installed: pip install 'compressor[compress]'"
        ) from error
    with matplotlib.rc_context(STYLE):
        make().savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=DOTS_PER_INCH)
