"""A gate after the other in one file, a line of JSON each, and the picture of how the times went."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from compressor.errors import InputError, UnavailableError
from compressor.records.gate import GateResult, GateVerdict, HistoryLine
from compressor.records.serial import from_dict, to_dict
from compressor.report.drawing import save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = ".svg"
COLOURS = {
    GateVerdict.PASS: "#0b6e4f",
    GateVerdict.FAIL: "#c8553d",
    GateVerdict.INCONCLUSIVE: "#8d8741",
    GateVerdict.UNMEASURED: "#777777",
}


def check_history(path: Path) -> None:
    """Refuse a file that no line can be added to, before anything is measured for it.

    Raises:
        InputError: It is no history, or its folder cannot be written to.
    """
    if path.suffix == PICTURE:
        raise InputError(f"--record: {path} is where the picture goes; give the lines another name, such as a .jsonl")
    _read(path)
    _replace(path, None)


def append_history(result: GateResult, path: Path) -> None:
    """Add a line to a file; whoever reads it sees the old lines or all of them, never half of one.

    Raises:
        InputError: The file cannot be written, or is no such file.
    """
    lines = [*_read(path), _line(result)]
    _replace(path, "".join(json.dumps(to_dict(line)) + "\n" for line in lines))


def draw_history(path: Path) -> Path:
    """Draw all lines of a file beside it; returns the picture, an SVG.

    Raises:
        InputError: It is no such file.
        UnavailableError: matplotlib is not installed.
        OSError: The picture cannot be written.
    """
    lines, picture = _read(path), path.with_suffix(PICTURE)
    try:
        save_picture(lambda: _figure(lines), picture)
    except UnavailableError as error:
        raise UnavailableError("matplotlib is not installed: pip install 'compressor[report]'") from error
    return picture


def _line(result: GateResult) -> HistoryLine:
    found = result.timings
    return HistoryLine(
        date=result.date,
        label=result.label,
        verdict=result.verdict,
        device=result.device.model,
        base_ms=None if found is None else found.base_ms,
        head_ms=None if found is None else found.head_ms,
        ratio=None if found is None else found.ratio.value,
        low=None if found is None else found.ratio.low,
        high=None if found is None else found.ratio.high,
        operations=sum(result.head.operations.values()),
        bytes=result.head.bytes,
    )


def _read(path: Path) -> list[HistoryLine]:
    """Its lines; none where there is no such file yet."""
    try:
        if not path.exists():
            return []
        texts = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--record: cannot read {path}: {error}; give another file") from error
    return [_parsed(text, f"line {number} of {path}") for number, text in texts if text.strip()]


def _parsed(text: str, where: str) -> HistoryLine:
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--record: {where} is not JSON ({error}); give another file, or take it out") from error
    if not isinstance(plain, dict):
        raise InputError(f"--record: {where}: expected a JSON object, found {text[:80]}; give another file")
    try:
        return from_dict(HistoryLine, plain, where=where)
    except InputError as error:
        raise InputError(f"--record: {error}; give another file, or take it out") from error


def _replace(path: Path, text: str | None) -> None:
    """Write a file beside it and put that in its place; None = only see whether that would be possible."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text or "", encoding="utf-8")
        if text is None:
            partial.unlink()
        else:
            partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise InputError(f"--record: cannot write {path}: {error.strerror}; give another place") from error


def _figure(lines: Sequence[HistoryLine]) -> "Figure":
    """Time of every head, and its ratio to its base with its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    times, ratios = figure.subplots(2, 1, sharex=True)
    medians = [(i, line.head_ms) for i, line in enumerate(lines) if line.head_ms is not None]
    times.plot([i for i, _ in medians], [milliseconds for _, milliseconds in medians], color="#555555")
    for i, line in enumerate(lines):
        if line.head_ms is None or line.ratio is None:
            continue
        colour = COLOURS[line.verdict]
        times.plot(i, line.head_ms, "o", color=colour)
        ratios.plot(i, line.ratio, "o", color=colour)
        if line.low is not None and line.high is not None:
            ratios.plot([i, i], [line.low, line.high], color=colour)
    ratios.axhline(1.0, color="#555555", linewidth=0.8)
    times.set_ylabel("median of the head, ms")
    ratios.set_ylabel("head / base")
    names = [line.label or line.date[:10] for line in lines]
    step = max(1, len(lines) // 8)
    ratios.set_xticks(range(0, len(lines), step), names[::step], rotation=30, ha="right")
    return figure
