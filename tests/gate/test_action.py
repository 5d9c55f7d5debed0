"""The GitHub Action's own shell lines, with a stand-in for the command: which flags it is given, and what is left."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

# Writes the files that it is asked for unless it ends in an error, as the command does.
STAND_IN = """#!/bin/bash
printf '%s\\n' "$@" > "$RUNNER_TEMP/given"
if [ "$CODE" != 2 ]; then
  while [ $# -gt 0 ]; do
    case $1 in --markdown) echo table > "$2";; --junit) echo suite > "$2";; esac
    shift
  done
fi
exit "$CODE"
"""


def action(checkout: Path) -> dict[str, Any]:
    """The action, read from its file."""
    read: dict[str, Any] = yaml.safe_load((checkout / "action.yml").read_text(encoding="utf-8"))
    return read


def gate_step(checkout: Path, folder: Path, *, code: int = 0, **inputs: str) -> tuple[int, list[str], dict[str, str]]:
    """Run the step with the defaults of what is left out: its exit code, the command's words, the step's outputs."""
    known = {name: str(found.get("default", "")) for name, found in action(checkout)["inputs"].items()}
    known |= {"base": "released", "head": "candidate", **inputs}
    step = action(checkout)["runs"]["steps"][1]
    given = {name: known[re.sub(r"\$\{\{ inputs\.(.*) \}\}", r"\1", text)] for name, text in step["env"].items()}
    places = {name: str(folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    stand_in = folder / "compressor" / "bin" / "compressor"
    stand_in.parent.mkdir(parents=True, exist_ok=True)
    stand_in.write_text(STAND_IN, encoding="utf-8")
    stand_in.chmod(0o755)
    more = {"RUNNER_TEMP": str(folder), "GITHUB_SHA": "0123456789abcdef", "CODE": str(code)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    ended = subprocess.run(command, env={**os.environ, **given, **places, **more}, check=False, timeout=60)
    output = folder / "GITHUB_OUTPUT"
    lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
    words = (folder / "given").read_text(encoding="utf-8").splitlines()
    return ended.returncode, words, dict(line.split("=", 1) for line in lines)


def test_by_default_noise_ends_with_its_own_code(checkout: Path, tmp_path: Path) -> None:
    code, words, _ = gate_step(checkout, tmp_path, code=6)
    assert code == 6
    assert "--inconclusive" not in words
    assert words[:5] == ["gate", "--base", "released", "--head", "candidate"]
    assert words[words.index("--label") + 1] == "0123456"


def test_flags_may_stand_on_several_lines(checkout: Path, tmp_path: Path) -> None:
    flags = "--max-latency 5ms\n--max-size 20MB\n"
    _, words, _ = gate_step(checkout, tmp_path, flags=flags, inconclusive="pass")
    assert words[-6:] == ["--max-latency", "5ms", "--max-size", "20MB", "--inconclusive", "pass"]


@pytest.mark.parametrize("code", [0, 4, 6])
def test_outputs_name_files_that_are_there(checkout: Path, tmp_path: Path, code: int) -> None:
    first = gate_step(checkout, tmp_path, code=code)[2]
    assert {name: Path(path).read_text(encoding="utf-8") for name, path in first.items()} == {
        "markdown": "table\n",
        "junit": "suite\n",
    }
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8") == "table\n"
    second = gate_step(checkout, tmp_path, code=code)[2]  # of another gate in the same job
    assert second["markdown"] != first["markdown"]


def test_an_error_leaves_no_outputs(checkout: Path, tmp_path: Path) -> None:
    code, _, outputs = gate_step(checkout, tmp_path, code=2)
    assert (code, outputs) == (2, {})
    assert not (tmp_path / "GITHUB_STEP_SUMMARY").exists()
