"""A teacher of a family without an adapter, from the command line: bundle, verification, answers, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from foreign_models import saved
from tiny import LABELS, write_tokenizer

from compressor.teachers import FAMILIES

pytest.importorskip("onnxscript", reason="exporting needs onnxscript")


@pytest.fixture(scope="module")
def mobilebert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny MobileBERT with a tokenizer."""
    folder = tmp_path_factory.mktemp("foreign") / "mobilebert"
    saved("mobilebert", folder)
    write_tokenizer(folder)
    return folder


def test_a_bundle_is_made_verified_and_answers(compress: Any, cli: Any, mobilebert: Path, tmp_path: Path) -> None:
    ended = compress("--teacher", mobilebert, "--max-latency", "5ms")
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert ended.out.splitlines()[-1].endswith("fp32, as exported (its family has no adapter)")
    assert cli("verify", tmp_path / "bundle").code == 0
    answered = cli("predict", tmp_path / "bundle", "the film was not dull")
    assert answered.code == 0
    assert set(json.loads(answered.out)["scores"]) == set(LABELS)


def test_what_only_a_cut_could_keep_ends_with_3_and_the_families_that_can_be_cut(
    compress: Any, mobilebert: Path, tmp_path: Path
) -> None:
    ended = compress("--teacher", mobilebert, "--max-latency", "10us", "--json")
    facts = json.loads(ended.out)
    assert ended.code == facts["exit_code"] == 3
    assert "it cannot be cut: its family 'mobilebert' has no adapter" in facts["error"]
    assert ", ".join(FAMILIES) in facts["error"]
    assert facts["nearest_ms"] > 0.01
    assert not (tmp_path / "bundle").exists()


def test_the_plan_cuts_nothing(compress: Any, mobilebert: Path) -> None:
    found = json.loads(compress("--teacher", mobilebert, "--plan", "--json").out)
    assert not any(stage["if_needed"] for stage in found["stages"])
