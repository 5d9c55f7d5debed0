"""Commands inside this process, with a cache and a single core of their own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from compressor import profiles
from compressor.cli.app import run
from compressor.pipeline import profiling, workbench
from compressor.profiles import fingerprint


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs are kept; nothing is read from or written to the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    here = replace(fingerprint(), usable_cores=1)
    for module in (workbench, profiling, profiles):
        monkeypatch.setattr(module, "fingerprint", lambda: here)
    return tmp_path / "cache" / "compressor"


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """`compressor ...`: exit code, standard output and standard error."""

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return call


@pytest.fixture
def compress(cli: Cli, tiny_teacher: Path, tiny_data: Path, fake_target: Path, tmp_path: Path) -> Cli:
    """`compressor compress` of the tiny teacher on the fake device; flags given later win."""

    def call(*flags: object) -> Ended:
        given = {
            "--teacher": tiny_teacher,
            "--data": tiny_data,
            "--output": tmp_path / "bundle",
            "--target": fake_target,
            "--batch": 4,
            "--sequence-length": 32,
            "--time-budget": "1m",
        }
        plain = [str(flag) for flag in flags]
        defaults = [part for name, value in given.items() if name not in plain for part in (name, value)]
        return cli("compress", *defaults, *plain)

    return call
