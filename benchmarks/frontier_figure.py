"""The picture of the frontier: accuracy over speed-up, every student a dot, every way a line through its means."""

from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {"ours": "#0b6e4f", "uniform": "#c8553d", "fewer": "#6b4e9b", "labels": "#8d8741"}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the picture.

    Args:
        rows: Students, with way, speed, speed_up_together, accuracy and teacher.
        path: Of the PNG.
    """
    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    for way, colour in COLOURS.items():
        dots = [row for row in rows if row["way"] == way]
        if not dots:
            continue
        axes.scatter(
            [r["speed_up_together"] for r in dots], [r["accuracy"] for r in dots], s=14, color=colour, alpha=0.5
        )
        means = []
        for speed in sorted({row["speed"] for row in dots}):
            same = [row for row in dots if row["speed"] == speed]
            means.append((fmean(r["speed_up_together"] for r in same), fmean(r["accuracy"] for r in same)))
        axes.plot(*zip(*means, strict=True), color=colour, label=way)
    if rows:
        axes.axhline(rows[0]["teacher"], color="black", linewidth=0.8, linestyle="--", label="teacher, fp32")
    axes.set_xscale("log")
    ticks = sorted({row["speed"] for row in rows})
    axes.set_xticks(ticks, [f"{tick}x" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("speed-up over the teacher compiled to fp32")
    axes.set_ylabel("accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
