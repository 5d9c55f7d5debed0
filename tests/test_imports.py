"""Lean imports: what must start fast, or run without the extra `compress`, does not load the heavy libraries."""

import subprocess
import sys
from pathlib import Path

import pytest
from house import modules

CHECKOUT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "onnxruntime", "transformers", "onnx")
COMPRESS_ONLY = ("torch", "transformers")  # a bundle runs, verifies, benches and gates without these
LEAN = ("compressor.errors", "compressor.records", "compressor.profiles", "compressor.hub", "compressor.cli")
TORCH_FREE = tuple(f"compressor.{name}" for name in ("runtimes", "precision", "verification", "report", "gate"))


def below(*packages: str) -> list[str]:
    """The modules that exist of these packages."""
    return [name for name in modules(CHECKOUT) if any(f"{name}.".startswith(f"{package}.") for package in packages)]


def loaded(module: str) -> set[str]:
    """Names in `sys.modules` of a fresh process that imported the module."""
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["compressor", *below(*LEAN)])
def test_loads_nothing_heavy(module: str) -> None:
    assert loaded(module).isdisjoint(HEAVY)


@pytest.mark.parametrize("module", ["compressor", *below(*TORCH_FREE)])
def test_loads_no_torch(module: str) -> None:
    assert loaded(module).isdisjoint(COMPRESS_ONLY)
