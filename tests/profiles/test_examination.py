"""What `doctor` says of machines and installations that lack something."""

import json
import os
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from compressor.cli.app import run
from compressor.profiles import examination, fingerprint
from compressor.profiles.examination import Finding, State, examine

Find = Callable[[str], Finding]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """The finding on a subject."""

    def of(subject: str) -> Finding:
        return next(finding for finding in examine(tmp_path / "not" / "yet") if finding.subject == subject)

    return of


def test_this_installation_is_whole(find: Find) -> None:
    for name in ("numpy", "onnxruntime", "torch", "transformers"):
        assert find(name) == Finding(name, State.GOOD, metadata.version(name), needed=name in ("numpy", "onnxruntime"))
    assert find("disk").found.endswith("not/yet")


def test_tools_of_developers_are_not_asked_for(tmp_path: Path) -> None:
    subjects = [finding.subject for finding in examine(tmp_path) if finding.subject != "steadiness"]
    assert {"ruff", "mypy", "pytest"}.isdisjoint(subjects)
    assert len(subjects) == len(set(subjects))


def test_a_package_that_is_missing_or_too_old(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.version

    def version(name: str) -> str:
        if name == "transformers":
            raise metadata.PackageNotFoundError(name)
        return "0.9" if name == "onnxruntime" else found(name)

    monkeypatch.setattr(metadata, "version", version)
    advice = "pip install 'compressor[compress]', for: compress, finetune, demo, profile"
    assert find("transformers") == Finding("transformers", State.MISSING, "not installed", advice)
    old = find("onnxruntime")
    assert (old.state, old.needed) == (State.MISSING, True)
    assert old.found == "0.9, expected >=1.20"
    assert run(["doctor"]) == 5


def test_a_processor_without_products_in_int8(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = replace(fingerprint(), flags=("avx2",), usable_cores=2, logical_cores=8, cpu_quota=2.5)
    monkeypatch.setattr(examination, "fingerprint", lambda: plain)
    assert find("int8").state is State.NOTE
    assert find("threads").found == "2 usable of 8, a quota of 2.5 CPUs"
    monkeypatch.setattr(examination, "fingerprint", lambda: replace(plain, flags=("avx2", "avx_vnni")))
    assert find("int8") == Finding("int8", State.GOOD, "avx_vnni")


def test_little_room(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - the shape of shutil's own
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 9, 10**9))
    monkeypatch.setattr(examination, "available_memory", lambda: 10**9)
    for subject in ("disk", "memory"):
        assert find(subject).state is State.NOTE
        assert find(subject).found.startswith("1000.0 MB")
        assert find(subject).advice


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo 'NVIDIA T4, 550.1, 15360 MiB'", State.GOOD, "NVIDIA T4, 550.1, 15360 MiB"),
        ("echo 'driver not loaded' >&2; exit 9", State.NOTE, "nvidia-smi failed: driver not loaded"),
        ("sleep 5", State.NOTE, "none that nvidia-smi knows of"),
    ],
)
def test_a_gpu_is_what_its_tool_says(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, state: State, words: str
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(examination, "NVIDIA_SECONDS", 0.5)
    found = find("gpu")
    assert (found.state, found.found) == (state, words)


def test_no_gpu(find: Find, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("gpu").found == "none that nvidia-smi knows of"


def test_the_command_prints_a_table_or_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    subjects = [finding["subject"] for finding in json.loads(capsys.readouterr().out)]
    assert subjects[:2] == ["processor", "threads"]
    assert run(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["what", "state", "found", "advice"]
