"""Flags, and what is not available here."""

import builtins
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import write_profile

from compressor import __version__
from compressor.profiles import fingerprint, list_profiles
from compressor.profiles.vocabulary import INFERENCE_FLAGS

# docs/design.md, section 1
FLAGS = {
    *("--teacher", "--data", "--text-column", "--label-column", "--task", "--metric", "--eval-split", "--target"),
    *("--device", "--max-latency", "--percentile", "--batch", "--sequence-length", "--threads", "--precision"),
    *(
        "--max-accuracy-drop",
        "--min-agreement",
        "--max-size",
        "--time-budget",
        "--seed",
        "--output",
        "--force",
        "--fresh",
    ),
    *("--stop-after", "--plan", "--json", "--quiet"),
}


PROFILE_FLAGS = {
    *("--target", "--teacher", "--batch", "--sequence-length", "--threads", "--precision", "--show", "--export"),
    *("--import", "--fresh", "--json", "--quiet"),
}


COMMANDS = (
    *(
        "compress",
        "finetune",
        "demo",
        "targets",
        "methods",
        "profile",
        "verify",
        "predict",
        "bench",
        "gate",
        "report",
        "doctor",
    ),
)


def flags_in(text: str) -> set[str]:
    """Long flags that a help page explains."""
    lines = [line.strip() for line in text.splitlines()]
    return {line.split()[0] for line in lines if line.startswith("--")}


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("compress", FLAGS | {"--search", "--start", "--distill"}),
        ("profile", PROFILE_FLAGS),
        ("verify", {"--json"}),
        ("targets", set()),
        ("methods", {"--json"}),
    ],
)
def test_the_help_of_a_command_has_its_flags(cli: Any, command: str, flags: set[str]) -> None:
    ended = cli(command, "--help")
    assert ended.code == 0
    assert flags_in(ended.out) - {"--help"} == flags


def test_the_help_names_every_command(cli: Any) -> None:
    ended = cli("--help")
    assert ended.code == 0
    assert all(f"\n  {command} " in ended.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_fits_a_screen_with_an_example(cli: Any, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli(command, "--help").out.splitlines()
    assert len(lines) <= 40
    assert any(line.startswith(f"  compressor {command}") for line in lines)


def test_the_version_is_that_of_the_package(cli: Any) -> None:
    ended = cli("--version")
    assert (ended.code, ended.out) == (0, f"compressor {__version__}\n")


def test_a_missing_flag_is_named(cli: Any) -> None:
    ended = cli("compress", "--data", "y")
    assert ended.code == 2
    assert "Missing option '--teacher'" in ended.err


def test_only_an_alias_may_leave_out_the_data(cli: Any, tiny_teacher: Path, tmp_path: Path) -> None:
    ended = cli("compress", "--teacher", tiny_teacher, "--output", tmp_path / "bundle")
    assert ended.code == 2
    assert "--data: expected a folder or the name of a data set" in ended.err
    assert "Aliases: bert-base, " in ended.err


@pytest.mark.parametrize("command", [("compress", "--teacher"), ("finetune", "--model")], ids=" ".join)
def test_a_name_that_is_none_is_answered_with_the_nearest_alias(
    cli: Any, command: tuple[str, str], tiny_data: Path, tmp_path: Path
) -> None:
    ended = cli(*command, "bert-bse", "--data", tiny_data, "--output", tmp_path / "made")
    assert ended.code == 2
    assert "'bert-bse' is no folder here, no alias and no model of the hub" in ended.err
    assert "Did you mean 'bert-base'?" in ended.err


@pytest.mark.parametrize(
    "flags", [["--device", "ssh:host"], ["--target", "OTHER"]], ids=["another device", "another target"]
)
def test_what_is_not_here_ends_with_5(compress: Any, tmp_path: Path, flags: list[str]) -> None:
    foreign = next(flag for flag in INFERENCE_FLAGS if flag not in fingerprint().flags)
    if "OTHER" in flags:
        flags = ["--target", str(write_profile(tmp_path, name="other", requires=(foreign,)))]
    ended = compress(*flags)
    assert ended.code == 5
    assert "ssh:host" in ended.err or f"missing CPU flags: {foreign}" in ended.err


def test_an_unknown_runtime_in_a_profile_ends_with_5(compress: Any, fake_target: Path) -> None:
    fake_target.write_text(fake_target.read_text().replace("runtime: fake", "runtime: tensorrt"))
    ended = compress("--max-latency", "5ms")
    assert ended.code == 5
    assert "no runtime 'tensorrt' here; this version drives onnxruntime, openvino, fake" in ended.err


def test_targets_lists_every_profile_with_its_title(cli: Any, checkout: Path) -> None:
    ended = cli("targets")
    assert ended.code == 0
    lines = {line.split()[0]: line for line in ended.out.splitlines()[1:]}
    assert (
        set(lines) == set(list_profiles()) == {path.stem for path in (checkout / "hardware_profiles").glob("*.yaml")}
    )
    for name, line in lines.items():
        profile = yaml.safe_load((checkout / "hardware_profiles" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert profile["title"] in line
        assert " yes" in line or " no: " in line
    assert lines["cpu"].endswith("yes")


def test_a_missing_extra_ends_with_5_and_the_command_that_installs_it(
    compress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_torch(name: str, *rest: Any, **named: Any) -> Any:
        if name == "compressor" and rest and "pipeline" in (rest[2] or ()):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    ended = compress("--max-latency", "5ms")
    assert ended.code == 5
    assert "this needs torch, which is not installed: pip install 'compressor[compress]'" in ended.err
