"""`compressor methods`, and losses on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from compressor.cli.parsing import parse_distill
from compressor.distill.objectives import OBJECTIVES
from compressor.encoder import AGGREGATIONS, BLOCKS
from compressor.errors import InputError
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.search import EPISODIC, NAS_KD, PLAIN, SEARCHERS


def test_every_search_loss_and_block_is_listed(cli: Any) -> None:
    ended = cli("methods")
    assert ended.code == 0
    listed = {line.split()[0]: line for line in ended.out.splitlines() if line}
    searches = {NAS_KD, *SEARCHERS, *EPISODIC, *PLAIN}
    assert set(listed) == {"--search", "--distill", "block", *searches, *OBJECTIVES, *BLOCKS, *AGGREGATIONS}
    assert "kernel 5" in listed["conv-5"]
    assert "Sun et al. 2019, arXiv 1908.09355" in listed["pkd-last"]
    assert "temperature 5, alpha 0.7" in listed["vanilla-kd"]


def test_the_list_is_there_for_machines(cli: Any) -> None:
    found = json.loads(cli("methods", "--json").out)
    assert [entry["name"] for entry in found["distill"]] == list(OBJECTIVES)
    assert all(entry["what"] and entry["source"] and entry["needs"] for entries in found.values() for entry in entries)


def test_a_name_is_that_loss_alone() -> None:
    assert parse_distill("pkd-skip") == DistillRecipe.named("pkd-skip")


@pytest.mark.parametrize("name", ["losses.yaml", "losses.yml", "losses"])
def test_a_file_is_a_recipe(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("losses:\n  vanilla-kd: {weight: 1.0, alpha: 0.7}\n  pkd-skip: {weight: 1e1}\n")
    assert parse_distill(str(tmp_path / name)) == DistillRecipe(
        (LossTerm("vanilla-kd", 1.0, (("alpha", 0.7),)), LossTerm("pkd-skip", 10.0))
    )


def test_a_file_that_is_called_like_a_loss_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pkd-skip", "mine"):
        (tmp_path / name).write_text("losses: {logit-mse: }")
    assert parse_distill("pkd-skip") == DistillRecipe.named("pkd-skip")
    for text in ("mine", "./pkd-skip"):
        assert parse_distill(text) == DistillRecipe.named("logit-mse")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*losses.yaml"),
        ("losses: {vanilla-kd: {", "losses.yaml is not valid YAML"),
        ("losses:\n  vanilla-kd:\n  vanilla-kd:\n", "key 'vanilla-kd' is given twice"),
        (
            "- vanilla-kd\n",
            "--distill .*losses.yaml: expected `losses:` and the names of losses below it, found a list",
        ),
    ],
)
def test_a_file_that_is_no_recipe(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "losses.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        parse_distill(str(tmp_path / "losses.yaml"))


def test_an_unknown_loss_ends_with_2_and_the_nearest(compress: Any) -> None:
    ended = compress("--max-latency", "5ms", "--distill", "pkd-skp")
    assert ended.code == 2
    assert "--distill: expected one of vanilla-kd, " in ended.err
    assert "found 'pkd-skp'; did you mean 'pkd-skip'?" in ended.err
