"""What `doctor` says of machines and installations that lack something."""

import json
import os
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from compressor.cli.app import run
from compressor.profiles import examination, fingerprint
from compressor.profiles.examination import TRIAL, Finding, State, examine

Find = Callable[[str], Finding]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No runtime is loaded: each one answers at once."""
    trial(monkeypatch, "echo 1.31.1")


def trial(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Every runtime is tried by this script."""
    monkeypatch.setattr(examination, "TRIAL", ("/bin/sh", "-c", script))


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """The finding on a subject."""

    def of(subject: str) -> Finding:
        return next(finding for finding in examine(tmp_path / "not" / "yet") if finding.subject == subject)

    return of


def test_this_installation_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "TRIAL", TRIAL)
    found = {finding.subject: finding for finding in examine(tmp_path / "not" / "yet")}
    for name in ("numpy", "onnxruntime", "torch", "transformers"):
        needed = name in ("numpy", "onnxruntime")
        assert found[name] == Finding(name, State.GOOD, metadata.version(name), needed=needed)
    assert found["openvino"].state is (State.GOOD if find_spec("openvino") else State.MISSING)
    assert found["disk"].found.endswith("not/yet")
    assert found["cache"] == Finding("cache", State.GOOD, str(tmp_path / "not" / "yet"))


def test_tools_of_developers_are_not_asked_for(tmp_path: Path) -> None:
    subjects = [finding.subject for finding in examine(tmp_path) if finding.subject != "steadiness"]
    assert {"ruff", "mypy", "pytest"}.isdisjoint(subjects)
    assert len(subjects) == len(set(subjects))


def lose(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """No distribution has these names."""
    found = metadata.version

    def version(name: str) -> str:
        if name in names:
            raise metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(metadata, "version", version)


def test_a_package_that_is_missing_or_too_old(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(monkeypatch, "transformers")
    advice = "pip install 'compressor[compress]', for: compress, finetune, demo, profile"
    assert find("transformers") == Finding("transformers", State.MISSING, "not installed", advice)
    trial(monkeypatch, "echo 0.9")
    old = find("onnxruntime")
    assert (old.state, old.needed) == (State.MISSING, True)
    assert old.found == "0.9, expected >=1.20"
    assert run(["doctor"]) == 5


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo loading; echo 1.31.0+gpu", State.GOOD, "1.31.0+gpu"),
        ("echo my-build", State.GOOD, "my-build"),
        (
            "echo 'Traceback:' >&2; echo 'ImportError: libgomp.so.1' >&2; exit 1",
            State.MISSING,
            "installed, but runs nothing: ImportError: libgomp.so.1",
        ),
        (
            "ulimit -c 0; kill -ILL $$",
            State.MISSING,
            "installed, but runs nothing: it ended with -4 and said nothing",
        ),
        ("exec sleep 60", State.MISSING, "ran nothing in 1 s; try again when less runs here"),
    ],
    ids=["another build", "a build of one's own", "a library is missing", "no such instruction", "stuck"],
)
def test_a_runtime_counts_by_what_it_runs_and_not_by_its_name(
    find: Find, monkeypatch: pytest.MonkeyPatch, script: str, state: State, words: str
) -> None:
    lose(monkeypatch, "onnxruntime")  # as where onnxruntime-gpu has it
    trial(monkeypatch, script)
    if "sleep" in script:
        monkeypatch.setattr(examination, "TRIAL_SECONDS", 1)
    found = find("onnxruntime")
    assert (found.state, found.found) == (state, words)


def test_a_runtime_that_is_not_there_is_not_tried(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "find_spec", lambda name: None)
    assert (find("openvino").state, find("openvino").found) == (State.MISSING, "not installed")


def test_a_checkout_that_is_not_installed_is_said(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert find("compressor").state is State.NOTE
    assert "pip install" in find("compressor").advice
    assert run(["doctor"]) == 0


@pytest.mark.parametrize(("text", "limit"), [("2000000000\n", 2 * 10**9), ("max\n", None)])
def test_the_limit_of_a_container_is_read(tmp_path: Path, text: str, limit: int | None) -> None:
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(text, encoding="utf-8")
    assert examination._memory_limit(tmp_path) == limit


def test_the_limit_of_a_container_is_said_and_none_above_the_machine(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(fingerprint(), memory_bytes=8 * 10**9)
    monkeypatch.setattr(examination, "fingerprint", lambda: here)
    monkeypatch.setattr(examination, "_memory_limit", lambda: 2 * 10**9)
    assert find("memory").found.endswith(" available, a limit of 2000.0 MB")
    monkeypatch.setattr(examination, "_memory_limit", lambda: 2**63 - 4096)  # version 1 without a limit
    assert find("memory").found.endswith(" available")


def test_a_cache_that_cannot_be_written_to(find: Find, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "not").touch()  # a file where a folder should be
    assert find("cache").state is State.MISSING
    assert find("cache").found == f"{tmp_path / 'not'} cannot be written to"
    (tmp_path / "not").unlink()
    assert find("cache").state is State.GOOD
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert find("cache").found == f"{tmp_path} cannot be written to"


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
