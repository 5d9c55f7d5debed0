"""A gate after the other in one file, a line of JSON each, and the picture of how the times went."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import InputError
from compressor.records.gate import GateResult
from compressor.records.writing import write_text
from compressor.report.drawing import save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"pass": "#0b6e4f", "fail": "#c8553d", "inconclusive": "#8d8741"}


def append_history(result: GateResult, path: Path) -> Path:
    """Add a line to a file, and draw all of its lines beside it.

    Returns:
        The picture, an SVG.

    Raises:
        InputError: The file cannot be written, or is no such file.
        UnavailableError: matplotlib is not installed; the line is written all the same.
    """
    lines = [*_read(path), _line(result)]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines), "--record")
    picture = path.with_suffix(".svg")
    save_picture(lambda: _figure(lines), picture)
    return picture


def _line(result: GateResult) -> dict[str, Any]:
    found = result.timings
    return {
        "date": result.date,
        "label": result.label,
        "verdict": str(result.verdict),
        "device": result.device.model,
        "base_ms": found and found.base_ms,
        "head_ms": found and found.head_ms,
        "ratio": found and found.ratio.value,
        "low": found and found.ratio.low,
        "high": found and found.ratio.high,
        "operations": sum(result.head.operations.values()),
        "bytes": result.head.bytes,
    }


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"--record: {path} is no history of gates ({error}); give another file") from error
    if wrong := [line for line in lines if not isinstance(line, dict) or not {"verdict", "head_ms"} <= line.keys()]:
        raise InputError(f"--record: {path} is no history of gates, found the line {wrong[0]}; give another file")
    return lines


def _figure(lines: list[dict[str, Any]]) -> "Figure":
    """Time of every head, and its ratio to its base with its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    times, ratios = figure.subplots(2, 1, sharex=True)
    timed = [(i, line) for i, line in enumerate(lines) if line["head_ms"] is not None]
    times.plot([i for i, _ in timed], [line["head_ms"] for _, line in timed], color="#555555")
    for i, line in timed:
        colour = COLOURS[line["verdict"]]
        times.plot(i, line["head_ms"], "o", color=colour)
        ratios.plot(i, line["ratio"], "o", color=colour)
        if line["low"] is not None:
            ratios.plot([i, i], [line["low"], line["high"]], color=colour)
    ratios.axhline(1.0, color="#555555", linewidth=0.8)
    times.set_ylabel("median of the head, ms")
    ratios.set_ylabel("head / base")
    names = [line["label"] or line["date"][:10] for line in lines]
    step = max(1, len(lines) // 8)
    ratios.set_xticks(range(0, len(lines), step), names[::step], rotation=30, ha="right")
    return figure
