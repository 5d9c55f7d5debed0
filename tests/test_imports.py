"""Lean imports: what must start fast, or run without the extra `compress`, does not load the heavy libraries."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from house import modules

CHECKOUT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "onnxruntime", "transformers", "onnx")
COMPRESS_ONLY = ("torch", "transformers")  # a bundle runs, verifies, benches and gates without these
LEAN = ("compressor.errors", "compressor.records", "compressor.profiles", "compressor.hub", "compressor.cli")
TORCH_FREE = tuple(f"compressor.{name}" for name in ("runtimes", "precision", "verification", "report", "gate"))


def below(*packages: str) -> list[str]:
    """The modules that exist of these packages."""
    return [name for name in modules(CHECKOUT) if any(f"{name}.".startswith(f"{package}.") for package in packages)]


def culprits(names: list[str], unwanted: tuple[str, ...]) -> list[str]:
    """Of modules that a fresh process imports in turn, those that were the first to load what is unwanted."""
    script = f"""
import sys
from importlib import import_module
for name in {names}:
    before = set(sys.modules)
    import_module(name)
    if not (set(sys.modules) - before).isdisjoint({unwanted}):
        print(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_starts_fast_loads_nothing_heavy() -> None:
    assert culprits(["compressor", *below(*LEAN)], HEAVY) == []


def test_what_a_bundle_needs_loads_no_torch() -> None:
    names = ["compressor", *below(*TORCH_FREE)]
    here = [name for name in names if find_spec("openvino") or not name.endswith(".openvino_cpu")]
    assert culprits(here, COMPRESS_ONLY) == []


def test_the_first_that_loads_something_is_named() -> None:
    assert culprits(["json", "colorsys", "compressor"], ("colorsys",)) == ["colorsys"]
