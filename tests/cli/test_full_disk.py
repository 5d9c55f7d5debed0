"""A disk that fills up in the middle of a run: a clear error, and the same command continues.

Real processes on a file system of a few kilobytes, which is then made larger: a tmpfs in a mount namespace of the
test's own, so that nothing has to be cleaned up. Where the system allows no such thing, the test is skipped.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from killing import on_cores

FLAGS = ("--batch", "4", "--sequence-length", "32", "--time-budget", "1m")


@cache
def namespace() -> tuple[str, ...] | None:
    """The command that starts another one in a mount namespace; None where there is none."""
    for command in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        try:
            done = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return command
    return None


@dataclass(frozen=True)
class Twice:
    """A command on a full disk, and the same one after room was made."""

    codes: tuple[int, int]
    first: str
    second: str


def twice(command: list[str], place: Path, *, size: str, environment: dict[str, str], folder: Path) -> Twice:
    """Run a command with `place` on a file system of that size, and again when it has become larger."""
    start = namespace()
    if start is None:
        pytest.skip("no mount namespace for this user")
    place.mkdir(parents=True)
    run = shlex.join(command)
    script = f"""
        mount -t tmpfs -o size={size} none {place}
        {run} >{folder}/first 2>&1; first=$?; ls -A {place} >{folder}/left
        mount -o remount,size=64m {place}
        {run} >{folder}/second 2>&1; echo $first $?
    """
    done = subprocess.run(
        [*start, "sh", "-c", script], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    first, second = map(int, done.stdout.split())
    return Twice((first, second), (folder / "first").read_text(), (folder / "second").read_text())


@pytest.mark.parametrize(
    ("place", "size", "limit"),
    [
        ("cache", "60k", "5ms"),
        pytest.param("cache", "360k", "130us", marks=pytest.mark.heavy),
        ("output", "40k", "5ms"),
        pytest.param("temporary", "16k", "130us", marks=pytest.mark.heavy),
    ],
)
def test_a_full_disk_is_said_and_the_same_command_continues(
    tiny_teacher: Path,
    tiny_data: Path,
    fake_target: Path,
    tmp_path: Path,
    checkout: Path,
    place: str,
    size: str,
    limit: str,
) -> None:
    folders = {name: tmp_path / name for name in ("cache", "output", "temporary")}
    for name, folder in folders.items():
        if name != place:
            folder.mkdir()
    environment = {
        "PYTHONPATH": str(checkout),
        "XDG_CACHE_HOME": str(folders["cache"]),
        "TMPDIR": str(folders["temporary"]),
    }
    command = [sys.executable, "-m", "compressor", "compress", "--teacher", tiny_teacher, "--data", tiny_data]
    command += ["--target", fake_target, "--output", folders["output"] / "bundle", "--max-latency", limit, *FLAGS]
    with on_cores(1):
        found = twice([*map(str, command)], folders[place], size=size, environment=environment, folder=tmp_path)
    assert found.codes == (2, 0), found
    assert "Traceback" not in found.first
    assert "compressor: the disk is full: expected room for what is written, found " in found.first
    assert str(folders[place]) in found.first
    assert "the same command continues where it was" in found.first
    assert "met: every promise is kept." in found.second
    if place == "output":
        assert "report: taken from an earlier run" in found.second
        assert (tmp_path / "left").read_text() == ""  # half a bundle would only take the room that is missing
