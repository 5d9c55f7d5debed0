"""What every benchmark shares: rows that survive an interruption, the ceiling of the machine, the closing JSON line.

A row is kept under a hash of the code, the data and the settings that it depends on; a benchmark that is started again
with `--resume` computes only the rows that are missing. Results of `--full` go to `benchmarks/results/`.
"""

import argparse
import ast
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from compressor.encoder import FLOAT, GraphBuilder
from compressor.precision import apply_precision
from compressor.profiles import fingerprint
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.timing import engine_subject, time_alone

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED = CHECKOUT.parent / "shared"
ROWS = CHECKOUT / "benchmarks" / ".rows"
RESULTS = CHECKOUT / "benchmarks" / "results"
RUNTIMES = ("onnxruntime", "openvino", "torch")


@dataclass(frozen=True)
class Check:
    """A number that an issue limits: `met` is `value <= limit`, `>=` or `==` as `sense` says.

    Without a limit it is only reported: `met` is then None, so that it cannot pass for a check.
    """

    name: str
    value: float | None
    unit: str
    limit: float | None
    sense: str = "<="

    def as_dict(self) -> dict[str, Any]:
        """The form of the closing line."""
        senses = {"<=": float.__le__, ">=": float.__ge__, "==": float.__eq__}
        met: bool | None = None
        if self.limit is not None:
            met = self.value is not None and bool(senses[self.sense](float(self.value), float(self.limit)))
        return {"name": self.name, "value": self.value, "unit": self.unit, "limit": self.limit, "met": met}


def arguments(description: str) -> argparse.Namespace:
    """`--quick` (default), `--full`, `--resume`."""
    parser = argparse.ArgumentParser(description=description)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_const", dest="mode", const="quick", help="at most 20 minutes")
    mode.add_argument("--full", action="store_const", dest="mode", const="full", help="for the record")
    parser.add_argument("--resume", action="store_true", help="keep the rows of an earlier, interrupted run")
    parser.set_defaults(mode="quick")
    return parser.parse_args()


def content_hash(paths: Iterable[Path], settings: object) -> str:
    """Hash of files (folders with everything below them) and settings; comments and docstrings do not count."""
    found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" not in file.parts:
                found.update(file.relative_to(path.parent).as_posix().encode() + _content(file))
    return found.hexdigest()[:16]


def _content(file: Path) -> bytes:
    """What of a file can change a number: of Python only what is executed, so that a better comment costs no rows."""
    if file.suffix != ".py":
        return file.read_bytes()
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.dump(tree).encode()


def conditions() -> list[str]:
    """What numbers depend on beside code and data: the device, and the versions of what runs there.

    For the settings of `content_hash`, of rows with times in them.
    """
    return [fingerprint().key, *(f"{name} {_version(name)}" for name in RUNTIMES)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


class RowStore:
    """Rows of one benchmark, appended as soon as they are there.

    Args:
        benchmark: Its name.
        resume: Keep the rows of an earlier run; else its file gets the ending `.old`.
        committed: Keep them beside the results, for a benchmark that takes longer than one machine can be had for.
    """

    def __init__(self, benchmark: str, *, resume: bool, committed: bool = False) -> None:
        folder, name = (RESULTS, f"{benchmark}.rows.jsonl") if committed else (ROWS, f"{benchmark}.jsonl")
        folder.mkdir(exist_ok=True)
        self._path = folder / name
        if self._path.exists() and not resume:
            self._path.replace(folder / f"{name}.old")
        self._known = {(row["row"], row["key"]): row for row in self._kept()}

    def row(self, name: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row of that name and key, computed where it is missing."""
        if (name, key) not in self._known:
            begin = time.monotonic()
            row = {"row": name, "key": key, **compute(), "row_seconds": round(time.monotonic() - begin, 2)}
            self._append(row)
            self._known[name, key] = row
        row = self._known[name, key]
        shown = {k: v for k, v in row.items() if k not in ("row", "key") and not isinstance(v, dict | list)}
        print(f"  {name:<12} " + "  ".join(f"{k}={v}" for k, v in shown.items()), flush=True)
        return row

    def _kept(self) -> Iterator[dict[str, Any]]:
        """Rows of an earlier run; a line that a kill cut off is none."""
        if not self._path.exists():
            return
        for number, line in enumerate(self._path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                print(f"  {self._path.name}: line {number} was cut off and is left out", flush=True)

    def _append(self, row: dict[str, Any]) -> None:
        """Behind a line that was cut off a new line begins."""
        with self._path.open("a+b") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 1))
            whole = stream.read() in (b"", b"\n")
            stream.write((b"" if whole else b"\n") + json.dumps(row).encode() + b"\n")


def gemm_ceiling() -> dict[str, float]:
    """Operations per second of one thread on a large product, by precision: nothing here can be faster."""
    rows, width = 256, 1024
    device, random = LocalDevice(), np.random.default_rng(0)
    graph = GraphBuilder()
    x = graph.input("x", FLOAT, [rows, width])
    weight = random.standard_normal((width, width)).astype(np.float32)
    graph.output(graph.linear(x, weight, np.zeros(width, np.float32), "y"), FLOAT, [rows, width])
    model = graph.build("gemm")
    feeds = [{"x": random.standard_normal((rows, width)).astype(np.float32)}]
    rates = {}
    for precision in (Precision.FP32, Precision.INT8):  # fp32 first: the passes work in place
        engine = device.compile(apply_precision(model, precision).SerializeToString(), CompileOptions(1))
        times, _ = time_alone(engine_subject(engine, feeds), clock=device.clock, seconds=1, yardstick=device.yardstick)
        rates[precision] = 2 * rows * width * width / (float(np.percentile(times, 10)) / 1e9)
    return rates


def finish(benchmark: str, mode: str, rows: list[dict[str, Any]], checks: list[Check]) -> None:
    """Print the checks and the closing JSON line; a full run is kept under `benchmarks/results/`."""
    here = fingerprint()
    closing = {
        "benchmark": benchmark,
        "mode": mode,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": here.model,
        "cores": here.usable_cores,
        "checks": [check.as_dict() for check in checks],
    }
    if mode == "full":
        RESULTS.mkdir(exist_ok=True)
        record = RESULTS / f"{benchmark}.json"
        record.write_text(json.dumps({**closing, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    words = {True: "met ", False: "MISSED", None: "found"}
    for check in closing["checks"]:
        print(f"  {words[check['met']]} {check['name']} = {check['value']} {check['unit']} (limit {check['limit']})")
    print(json.dumps(closing))


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
