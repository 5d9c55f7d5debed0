"""The Dockerfile, step by step as `benchmarks/image.py` runs it, but with nothing run; and its pins."""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks import dockerfile, image
from benchmarks.dockerfile import Builder, Stage, parse, substituted

CHECKOUT = Path(__file__).resolve().parents[1]
STEPS = parse((CHECKOUT / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(root's name, command) of every RUN; what the real ones would leave behind is made up."""
    commands: list[tuple[str, str]] = []

    def run(self: Builder, stage: Stage, command: Sequence[str], **_: object) -> str:
        commands.append((stage.root.name, command[-1]))
        if "/opt/compressor" in command[-1]:
            (stage.root / "opt" / "compressor" / "bin").mkdir(parents=True, exist_ok=True)
        return ""

    def debian(release: str, work: Path) -> Path:
        (work / release).mkdir(exist_ok=True)
        return work / release

    monkeypatch.setattr(Builder, "run", run)
    monkeypatch.setattr(dockerfile, "debian", debian)
    return commands


@pytest.fixture
def built(tmp_path: Path, ran: list[tuple[str, str]]) -> tuple[Builder, Stage]:
    builder = Builder(CHECKOUT, tmp_path, arguments={})
    return builder, builder.build(STEPS)


def test_every_step_is_run_and_the_last_stage_only_installs_python(
    built: tuple[Builder, Stage], ran: list[tuple[str, str]]
) -> None:
    builder, stage = built
    assert builder.done == len(STEPS)
    assert sum(step.instruction == "RUN" for step in STEPS) == len(ran)
    last = [command for root, command in ran if root == stage.root.name]
    assert len(last) == 1
    assert "pip" not in last[0]
    assert (stage.root / "opt" / "compressor" / "bin").is_dir()
    assert not (stage.root / "src").exists()


def test_the_image_runs_the_command_line_as_nobody_special(built: tuple[Builder, Stage]) -> None:
    builder, stage = built
    assert stage.user == "1000"
    assert stage.environment["PATH"].startswith("/opt/compressor/bin:")
    assert builder.entry(stage) == ["compressor", "--help"]
    assert builder.entry(stage, "compress", "--plan") == ["compressor", "compress", "--plan"]
    assert '"compressor", "doctor"' in stage.facts["HEALTHCHECK"]


def test_the_package_is_copied_and_nothing_else(built: tuple[Builder, Stage], tmp_path: Path) -> None:
    copied = {path.name for path in (tmp_path / "build" / "src").iterdir()}
    assert copied == {"compressor", "docker", "hardware_profiles", "LICENSE", "README.md", "pyproject.toml"}
    assert not list((tmp_path / "build").rglob("__pycache__"))


def test_arguments_of_the_build_are_seen_by_its_commands(tmp_path: Path, ran: list[tuple[str, str]]) -> None:
    builder = Builder(CHECKOUT, tmp_path, arguments={"TORCH": "9.9", "DEBIAN_RELEASE": "other"})
    builder.build([step for step in STEPS if step.instruction in ("ARG", "FROM")][:4])
    assert builder._arguments["TORCH"] == "9.9"
    assert (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RUN true", "RUN before any FROM"),
        ("FROM alpine:3", "expected debian:RELEASE-slim, found alpine:3"),
        ("FROM debian:x-slim\nADD a b", "ADD is not known here"),
        ("ARG A=b", "no FROM"),
    ],
)
def test_what_cannot_be_run_here_is_an_error(
    tmp_path: Path, ran: list[tuple[str, str]], text: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Builder(CHECKOUT, tmp_path, arguments={}).build(parse(text))


def test_what_dockerignore_keeps_out_cannot_be_copied(tmp_path: Path, ran: list[tuple[str, str]]) -> None:
    with pytest.raises(RuntimeError, match=r"COPY tests: \.dockerignore does not let it in"):
        Builder(CHECKOUT, tmp_path, arguments={}).build(parse("FROM debian:x-slim\nCOPY tests tests"))


def test_continued_lines_are_one_step_and_comments_are_none() -> None:
    steps = parse("# a\nRUN one \\\n    && two\n# hadolint ignore=DL1\nUSER 5\n")
    assert [(step.instruction, step.text) for step in steps] == [("RUN", "one  && two"), ("USER", "5")]
    assert substituted("${A}-$B-$C", {"A": "1", "B": "2"}) == "1-2-"


@pytest.mark.parametrize("name", ["requirements.txt", "build.txt"])
def test_every_requirement_of_the_image_is_pinned(name: str) -> None:
    lines = (CHECKOUT / "docker" / name).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert pins
    assert all([spec.operator for spec in pin.specifier] == ["=="] for pin in pins)


def test_the_pins_are_what_the_project_asks_for() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(text) for text in (*project["dependencies"], *extras["compress"], *extras["hub"])]
    lines = (CHECKOUT / "docker" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    torch = next(step.text for step in STEPS if step.text.startswith("TORCH="))
    pinned["torch"] = torch.removeprefix("TORCH=").partition("+")[0]
    for requirement in wanted:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_debian_is_there_or_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "debootstrap"
    tool.write_text("#!/bin/sh\necho 'no such release' >&2\nexit 3\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(RuntimeError, match="no such release"):
        dockerfile.debian("nowhere", tmp_path)
    assert shutil.which("debootstrap") == str(tool)


@pytest.fixture
def mounting(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be mounted and unmounted; unmounting the first place fails."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        failed = command[0] == "umount" and sum(each[0] == "umount" for each in commands) == 1
        return subprocess.CompletedProcess(command, int(failed))

    monkeypatch.setattr(dockerfile.subprocess, "run", run)
    return commands


def test_a_step_has_memory_of_its_own_and_everything_is_unmounted_whatever_fails(
    tmp_path: Path, mounting: list[list[str]]
) -> None:
    with dockerfile._Mounted(tmp_path, {}):
        memory = str(tmp_path / "dev" / "shm")
        assert mounting[-1] == ["mount", "--types", "tmpfs", "--options", "mode=1777,size=64m", "tmpfs", memory]
        private = [command[-1] for command in mounting if "--make-private" in command]
        assert private == [str(tmp_path / "proc"), str(tmp_path / "dev")]
    gone = [command[-1] for command in mounting if command[0] == "umount"]
    assert gone == [memory, str(tmp_path / "dev"), str(tmp_path / "proc")]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_removed_while_something_is_mounted_below(
    tmp_path: Path, mounting: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, root = tmp_path / "mounts", tmp_path / "the root"
    root.mkdir()
    escaped = str(root / "dev").replace(" ", "\\040")
    table.write_text(f"proc /proc proc rw 0 0\ntmpfs {escaped} tmpfs rw 0 0\n", encoding="utf-8")
    real = dockerfile.check_unmounted
    monkeypatch.setattr(dockerfile, "check_unmounted", lambda place: real(place, table))
    with pytest.raises(RuntimeError, match=r"still mounted.*the root/dev"):
        dockerfile.remove(root)
    with pytest.raises(RuntimeError, match=r"still mounted.*the root/dev"), dockerfile._Mounted(root, {}):
        pass
    assert (root / "proc").is_dir()
    table.write_text("proc /proc proc rw 0 0\n", encoding="utf-8")
    dockerfile.remove(root)
    assert not root.exists()


@pytest.mark.parametrize(
    ("status", "output", "words"),
    [(2, "no such file", "ended with 2: no such file"), (1, "", "ended with 1 and found nothing")],
)
def test_a_linter_that_cannot_look_has_not_found_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, output: str, words: str
) -> None:
    tool = tmp_path / "hadolint"
    tool.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {status}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(RuntimeError, match=words):
        image.hadolint()


def test_findings_of_the_linter_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "hadolint"
    tool.write_text("#!/bin/sh\nprintf 'Dockerfile:1 a\\nDockerfile:2 b\\n'\nexit 1\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert image.hadolint()["findings"] == 2


def test_a_stage_is_found_again_by_a_run_that_goes_on(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "last", {"PATH": "/bin"}, "1000", "/work", {"CMD": "[]"})
    (tmp_path / "stage.json").write_text(json.dumps(asdict(stage), default=str), encoding="utf-8")
    assert image._load(tmp_path / "stage.json") == stage
