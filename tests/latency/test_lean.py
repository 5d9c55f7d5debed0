"""A table is read where there is no torch, and built with the same names where there is."""

import subprocess
import sys
from pathlib import Path

import pytest

import compressor.latency
from compressor.latency import building, candidates, roofline

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from compressor.latency import estimate, operations; {more}"


def ended(checkout: Path, more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH.format(more=more)]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=120)


def test_estimating_needs_no_torch_and_measuring_says_that_it_does(checkout: Path) -> None:
    assert ended(checkout, "import compressor.gate").returncode == 0
    refused = ended(checkout, "from compressor.latency import measure_table")
    assert refused.returncode != 0
    assert "torch" in refused.stderr


def test_every_name_is_there() -> None:
    for name in compressor.latency.__all__:
        assert getattr(compressor.latency, name) is not None
    assert compressor.latency.measure_table is building.measure_table
    assert compressor.latency.candidate_ops is candidates.candidate_ops
    assert compressor.latency.estimated_table is roofline.estimated_table


def test_a_name_that_is_none_is_said() -> None:
    with pytest.raises(AttributeError, match=r"'compressor.latency' has no attribute 'estimat'"):
        compressor.latency.estimat  # type: ignore[attr-defined]  # noqa: B018
