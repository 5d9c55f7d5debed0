"""The page of a report, and that of a comparison, in a real browser: as a phone, a desktop and paper show them.

Errors, requests, what axe-core finds, size. Takes a bundle's page, or makes one by `compressor demo`; it is compared
with itself. Chromium comes from Debian, playwright-core and axe-core from npm, into a folder of their own.

    python -m benchmarks.report_page --full [--bundle FOLDER]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import CHECKOUT, RESULTS, ROWS, Check, finish

SCRIPT = CHECKOUT / "benchmarks" / "report_page.mjs"
PACKAGES = ("playwright-core@1", "axe-core@4")


def main() -> None:
    """Make or take a page, look at it, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_const", dest="mode", const="quick")
    mode.add_argument("--full", action="store_const", dest="mode", const="full")
    parser.add_argument("--bundle", type=Path, help="left out: that of the demo, which is made first")
    parser.set_defaults(mode="quick")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = options.bundle.resolve() if options.bundle else _demo(Path(folder))
        pages = {"page": bundle / "report.html", "comparison": _comparison(bundle, Path(folder))}
        shots = RESULTS if options.mode == "full" else ROWS / "report_page"
        shots.mkdir(parents=True, exist_ok=True)
        views = looked_at(pages, shots, Path(folder))
        megabytes = round(max(page.stat().st_size for page in pages.values()) / 1e6, 3)
    for view in views:
        print(view, flush=True)
    finish("report_page", options.mode, views, checks(views, megabytes))


def checks(views: list[dict[str, Any]], megabytes: float) -> list[Check]:
    """Of all views together."""
    return [
        Check("console_errors", sum(len(view["errors"]) for view in views), "", 0, "=="),
        Check("external_requests", sum(len(view["requests"]) for view in views), "", 0, "=="),
        Check("axe_violations", sum(len(view["rules"]) for view in views), "rules", 0, "=="),
        Check("pixels_wider_than_the_screen", max(view["overflow"] for view in views), "px", 0),
        Check("closed_on_paper", sum(view["closed"] for view in views), "", 0, "=="),
        Check("report_megabytes", megabytes, "MB", 3.0),
    ]


def looked_at(pages: dict[str, Path], shots: Path, work: Path) -> list[dict[str, Any]]:
    """Every view: page, width, colours, errors, requests, rules of axe-core that are broken, details that are closed.

    Args:
        pages: By name.
        shots: Folder of the screenshots.
        work: Folder for node and its packages.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=work, check=True)
    named = [word for name, page in pages.items() for word in (name, str(page.resolve()))]
    command = ["node", str(SCRIPT), str(shots), *named]
    environment = {**os.environ, "CHROMIUM": chromium}
    done = subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True)
    views: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return views


def _comparison(bundle: Path, folder: Path) -> Path:
    page = folder / "comparison.html"
    command = [sys.executable, "-m", "compressor", "report", str(bundle), str(bundle), "--output", str(page)]
    subprocess.run(command, cwd=CHECKOUT, check=True)
    return page


def _demo(folder: Path) -> Path:
    output = folder / "demo"
    subprocess.run([sys.executable, "-m", "compressor", "demo", "--output", str(output)], cwd=CHECKOUT, check=True)
    return output / "bundle"


if __name__ == "__main__":
    main()
