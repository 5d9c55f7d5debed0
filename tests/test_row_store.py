"""Rows of a benchmark survive whatever ends it."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import harness
from benchmarks.harness import RowStore


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "ROWS", tmp_path)


def never() -> dict[str, Any]:
    raise AssertionError("the row was there")


def test_a_row_is_computed_once_and_again_under_another_key() -> None:
    RowStore("b", resume=False).row("one", "k", lambda: {"value": 1})
    store = RowStore("b", resume=True)
    assert store.row("one", "k", never)["value"] == 1
    assert store.row("one", "other", lambda: {"value": 2})["value"] == 2


@pytest.mark.parametrize("rest", ['{"row": "two", "key"', '{"row": "two", "key": "k", "value": 2}'])
def test_a_line_that_was_cut_off_spoils_neither_the_rows_before_nor_those_behind(tmp_path: Path, rest: str) -> None:
    RowStore("b", resume=False).row("one", "k", lambda: {"value": 1})
    with (tmp_path / "b.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(rest)  # without the end of the line
    RowStore("b", resume=True).row("three", "k", lambda: {"value": 3})
    store = RowStore("b", resume=True)
    assert [store.row(name, "k", never)["value"] for name in ("one", "three")] == [1, 3]
    assert store.row("two", "k", lambda: {"value": 2})["value"] == 2


def test_without_resume_the_old_rows_are_put_aside(tmp_path: Path) -> None:
    RowStore("b", resume=False).row("one", "k", lambda: {"value": 1})
    store = RowStore("b", resume=False)
    assert '"value": 1' in (tmp_path / "b.jsonl.old").read_text(encoding="utf-8")
    assert store.row("one", "k", lambda: {"value": 4})["value"] == 4
