"""The profiles ship inside the wheel and are found there, outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from compressor.profiles import list_profiles

SCRIPT = """
from compressor.profiles import list_profiles, load_profile
from compressor.profiles.loading import profiles_folder
print(profiles_folder(), *[load_profile(name).name for name in list_profiles()])
"""


@pytest.mark.heavy
def test_an_installed_wheel_has_the_profiles(tmp_path: Path, checkout: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(checkout),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=600)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("compressor-*.whl"))) as wheel:
        names = set(wheel.namelist())
        wheel.extractall(site)
    assert {f"compressor/hardware_profiles/{name}.yaml" for name in list_profiles()} <= names
    assert {"compressor/py.typed", "compressor/hub/aliases.yaml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "hardware_profiles/"))]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(site / "compressor/hardware_profiles"), *list_profiles()]
